// The trend over months: what was owed and done as bars, the rate as a line.
/* global echarts */

const element = document.getElementById("chart");
const months = JSON.parse(element.dataset.months);
const wide = element.clientWidth > 640;
const percent = (rate) => (rate === null ? "" : `${Math.round(rate * 100)}%`);

const chart = echarts.init(element, null, { renderer: "canvas" });
chart.setOption({
  animation: false,
  color: ["#9fb8bb", "#0b6b75", "#a05a00"],
  textStyle: { fontFamily: "inherit" },
  grid: { left: 44, right: 48, top: 36, bottom: 28 },
  xAxis: { type: "category", data: months.map((each) => each.month.slice(2)) },
  yAxis: [
    { type: "value", name: "次", minInterval: 1 },
    { type: "value", name: "完成率", min: 0, max: 1, interval: 0.25, splitLine: { show: false }, axisLabel: { formatter: (rate) => `${rate * 100}%` } },
  ],
  series: [
    { name: "应巡", type: "bar", data: months.map((each) => each.owed) },
    { name: "完成", type: "bar", data: months.map((each) => each.met) },
    { name: "完成率", type: "line", yAxisIndex: 1, symbolSize: 8, label: { show: wide, color: "#17262a", backgroundColor: "rgba(255, 255, 255, 0.85)", padding: [1, 3], formatter: ({ value }) => percent(value) }, data: months.map((each) => each.rate) },
  ],
});

// A click on a month leads to its report, as its line in the table does.
const links = [...document.querySelectorAll("tbody th a")];
chart.on("click", (point) => links[point.dataIndex]?.click());
window.addEventListener("resize", () => chart.resize());
