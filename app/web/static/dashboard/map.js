// The map: cells by days since the last visit, steles by state, and a patrol's track to replay.
/* global L */
import { about, open, read, water } from "./base-map.js";

const element = document.getElementById("map");
const { datum, asOf, from, kind, cell, stele, patrol } = element.dataset;
const MOST_LABELS = 80;
const MOST_COMPARED = 2000;
const STATES = { visited: "30天内到过", unvisited: "30天内没有到过", elsewhere: "其他单位的" };

const map = open(element);
element.map = map;
const layers = { water: L.layerGroup(), reaches: L.layerGroup(), cells: L.layerGroup(), days: L.layerGroup(), steles: L.layerGroup() };

function band(days) {
  if (days === null) return "never";
  if (days > 30) return "cold";
  if (days > 14) return "weeks";
  return days > 7 ? "week" : "fresh";
}

function sinceText(days) {
  if (days === null) return "从未到访";
  return days === 0 ? "当天到访" : `${days}天`;
}

function row(table, cells, page, code) {
  const tr = table.tBodies[0].insertRow();
  const titles = [...table.tHead.rows[0].cells];
  cells.forEach((text, n) => {
    const td = n === 0 ? document.createElement("th") : document.createElement("td");
    td.dataset.label = titles[n].textContent;
    td.className = titles[n].className;
    if (n === 0) {
      td.scope = "row";
      const link = document.createElement("a");
      link.href = `/dashboard/${page}/${encodeURIComponent(code)}`;
      link.textContent = text;
      td.append(link);
    } else td.textContent = text;
    tr.append(td);
  });
}

function showCells(found) {
  const drawn = L.geoJSON(found, {
    pane: "cells",
    style: (feature) => ({
      color: "#17262a", weight: 1.5, fillColor: `url(#cell-${band(feature.properties.days_since)})`, fillOpacity: 0.75,
    }),
    onEachFeature: (feature, shape) => {
      const of = feature.properties;
      shape.bindPopup(() => about(of, "grid-cells", [
        `${of.kind_name}，${of.organisation_name}`,
        `最近到访：${of.last_visit_on ?? "还没有"}`,
        `未到访：${sinceText(of.days_since)}`,
        `本年到访 ${of.visits} 次`,
      ]));
    },
  });
  // The large ones below, so that those inside of them can be seen and clicked; a cell that holds
  // others is an outline, or its colour would mix with theirs.
  const size = (shape) => { const box = shape.getBounds(); return (box.getEast() - box.getWest()) * (box.getNorth() - box.getSouth()); };
  const shapes = drawn.getLayers().sort((a, b) => size(b) - size(a));
  const outer = new Set(shapes.length > MOST_COMPARED ? [] : shapes.filter((shape) => shapes.some((other) => holds(shape, other))));
  for (const shape of shapes) {
    if (outer.has(shape)) shape.setStyle({ fillOpacity: 0, dashArray: "6 4", weight: 2.5 });
    layers.cells.addLayer(shape);
  }
  label(shapes.filter((shape) => !outer.has(shape)));
  const rows = found.features.map((feature) => feature.properties)
    .sort((a, b) => (b.days_since ?? Infinity) - (a.days_since ?? Infinity) || a.code.localeCompare(b.code));
  const table = document.getElementById("cells");
  for (const of of rows) row(table, [of.name, of.kind_name, of.organisation_name, of.last_visit_on ?? "还没有", sinceText(of.days_since)], "grid-cells", of.code);
  document.getElementById("cells-count").textContent = rows.length;
  return shapes;
}

function holds(outer, inner) {
  return outer !== inner && outer.getBounds().contains(inner.getBounds());
}

// Days written on the cells in sight; too many would hide the map.
function label(shapes) {
  const renew = () => {
    layers.days.clearLayers();
    const seen = shapes.filter((shape) => map.getBounds().contains(shape.getBounds().getCenter()));
    if (seen.length > MOST_LABELS) return;
    for (const shape of seen) {
      L.tooltip({ permanent: true, direction: "center", className: "days-label", interactive: false })
        .setLatLng(shape.getCenter()).setContent(sinceText(shape.feature.properties.days_since)).addTo(layers.days);
    }
  };
  map.on("moveend", renew);
  renew();
}

function showSteles(found) {
  const table = document.getElementById("steles");
  const marks = {};
  for (const feature of found.features) {
    const of = feature.properties;
    const [lon, lat] = feature.geometry.coordinates;
    const lines = [of.organisation, STATES[of.state]];
    if (of.state !== "elsewhere") lines.push(`最近到访：${of.last_visit_on ?? "还没有"}`, of.printed ? "二维码已打印" : "二维码没有打印");
    const icon = L.divIcon({ className: `stele-mark ${of.state}${of.printed === false ? " no-print" : ""}`, iconSize: [14, 18], iconAnchor: [7, 18] });
    marks[of.code] = L.marker([lat, lon], { icon, title: of.name, keyboard: false })
      .bindPopup(() => about(of, "steles", lines)).addTo(layers.steles);
    row(table, [of.name, of.organisation, STATES[of.state], of.last_visit_on ?? "—",
      of.printed === null ? "—" : of.printed ? "已打印" : "没有打印"], "steles", of.code);
  }
  document.getElementById("steles-count").textContent = found.features.length;
  return marks;
}

function showVisits() {
  const group = L.featureGroup();
  for (const item of document.querySelectorAll("ol.walk > li")) {
    const icon = L.divIcon({ className: "visit-mark", html: item.dataset.n, iconSize: [24, 24] });
    const box = document.createElement("div");
    box.append(item.querySelector("a").cloneNode(true));
    const image = item.querySelector("img");
    if (image) {
      const copy = image.cloneNode();
      copy.style.cssText = "display:block;max-width:200px;max-height:150px;margin-top:6px";
      box.append(copy);
    }
    L.marker([item.dataset.lat, item.dataset.lon], { icon, keyboard: false, zIndexOffset: 1000 }).bindPopup(box).addTo(group);
  }
  return group.addTo(map);
}

// Where the walker was when that share of the time had gone by: between two points on the way.
function walkerAt(points, times, share) {
  const at = times[0] + share * (times.at(-1) - times[0]);
  let n = times.findIndex((time) => time >= at);
  if (n <= 0) n = Math.min(1, times.length - 1);
  const span = times[n] - times[n - 1] || 1;
  const part = Math.min(1, Math.max(0, (at - times[n - 1]) / span));
  const between = (k) => points[n - 1][k] + part * (points[n][k] - points[n - 1][k]);
  return { at, latlng: [between(1), between(0)] };
}

function replay(points, times) {
  const [panel, play, slider, clock] = [document.querySelector(".replay"), ...["play", "at", "clock"].map((id) => document.getElementById(id))];
  const icon = L.divIcon({ className: "walker-mark", iconSize: [20, 20] });
  const walker = L.marker([points[0][1], points[0][0]], { icon, keyboard: false, interactive: false, zIndexOffset: 2000 }).addTo(map);
  const show = () => {
    const { at, latlng } = walkerAt(points, times, slider.value / 1000);
    walker.setLatLng(latlng);
    clock.textContent = new Intl.DateTimeFormat("zh-CN", { timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(at);
    slider.setAttribute("aria-valuetext", clock.textContent);
  };
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = "播放"; play.setAttribute("aria-pressed", "false"); };
  play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (Number(slider.value) >= 1000) slider.value = 0;
    play.textContent = "暂停";
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 5;
      show();
      if (Number(slider.value) >= 1000) stop();
    }, 100);
  });
  slider.addEventListener("input", show);
  panel.hidden = false;
  show();
}

function showTrack(track) {
  const points = track.geometry?.type === "LineString" ? track.geometry.coordinates : [];
  if (!points.length) {
    document.getElementById("no-track").hidden = false;
    return null;
  }
  const line = L.polyline(points.map(([lon, lat]) => [lat, lon]), { color: "#9b1c1c", weight: 4 }).addTo(map);
  replay(points, track.properties.times.map((time) => Date.parse(time)));
  return line;
}

for (const box of document.querySelectorAll(".layers input")) {
  const toggle = () => (box.checked ? layers[box.value].addTo(map) : layers[box.value].remove());
  box.addEventListener("change", toggle);
  toggle();
}

async function start() {
  const shown = await Promise.all([
    water(element).then(({ bodies, reaches }) => {
      layers.water.addLayer(bodies);
      layers.reaches.addLayer(reaches);
      return L.featureGroup([bodies, reaches]);
    }),
    read("/api/v1/reports/coverage", { format: "geojson", from, to: asOf, as_of: asOf, kind, datum }),
    read("/dashboard/map/steles.json", { as_of: asOf, datum }),
    patrol ? read(`/api/v1/patrols/${patrol}/track`, { datum }) : null,
  ]);
  const [drawn, coverage, points, track] = shown;
  // One's own cells fill the map; whoever has none sees all there is.
  const bounds = L.geoJSON(coverage).getBounds();
  if (!bounds.isValid()) for (const each of [drawn, L.geoJSON(points)]) bounds.extend(each.getBounds());
  map.fitBounds(bounds.isValid() ? bounds : [[24.8, 102.9], [25, 103.1]], { maxZoom: 16 });
  const walk = L.latLngBounds([]);
  for (const each of [track && showTrack(track), showVisits()]) if (each) walk.extend(each.getBounds());
  if (walk.isValid()) map.fitBounds(walk.pad(0.2), { maxZoom: 17 });
  const shapes = showCells(coverage);
  const marks = showSteles(points);
  const wanted = shapes.find((shape) => shape.feature.properties.code === cell);
  if (wanted) {
    map.fitBounds(wanted.getBounds().pad(0.2));
    wanted.openPopup();
  } else if (marks[stele]) {
    map.setView(marks[stele].getLatLng(), 16);
    marks[stele].openPopup();
  }
  element.dataset.ready = "true";
}

start().catch((error) => {
  const status = document.getElementById("map-status");
  status.textContent = "地图的内容没有取到，请刷新页面再试。";
  status.hidden = false;
  throw error;
});
