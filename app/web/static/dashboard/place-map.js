// Small maps on pages about one thing: its shapes stand in the element, the water is fetched.
/* global L */
import { open, water } from "./base-map.js";

const STYLES = {
  cell: { color: "#17262a", weight: 2, fillColor: "#7cc79b", fillOpacity: 0.25 },
  reach: { color: "#9b1c1c", weight: 6, opacity: 0.8 },
};
const CIRCLE = { color: "#17262a", weight: 1, fillOpacity: 0.12, interactive: false };

function mark(feature, latlng) {
  const { kind, label, radius_m: radius } = feature.properties;
  const group = L.featureGroup();
  if (radius) L.circle(latlng, { ...CIRCLE, radius }).addTo(group);
  if (kind === "stele") {
    const icon = L.divIcon({ className: "stele-mark visited", iconSize: [14, 18], iconAnchor: [7, 18] });
    L.marker(latlng, { icon, keyboard: false }).bindTooltip(label, { direction: "top", offset: [0, -18], permanent: true, className: "days-label" }).addTo(group);
  } else {
    const text = kind === "visit" && label.length > 3 ? "" : label;
    const icon = L.divIcon({ className: `visit-mark ${kind}`, iconSize: [kind === "visit" ? 24 : 56, 24] });
    const own = L.marker(latlng, { icon, keyboard: false, zIndexOffset: kind === "visit" ? 1000 : 0 });
    own.on("add", () => { own.getElement().textContent = text; });
    own.addTo(group);
    if (!text) own.bindTooltip(label);
  }
  return group;
}

async function draw(element) {
  const map = open(element, { scrollWheelZoom: false });
  const shapes = JSON.parse(element.dataset.shapes);
  const drawn = L.geoJSON(shapes, { pointToLayer: mark, style: (feature) => STYLES[feature.properties.kind], interactive: false });
  // What lies far off (the record before, in another town) is not what one wants to look at.
  const near = shapes.features.filter((feature) => !["cell", "neighbour"].includes(feature.properties.kind));
  const bounds = L.geoJSON(near.length ? { ...shapes, features: near } : shapes).getBounds();
  map.fitBounds(bounds.pad(0.3), { maxZoom: 16 });
  drawn.addTo(map);
  element.map = map;
  const { bodies, reaches } = await water(element);
  bodies.addTo(map);
  reaches.addTo(map);
}

for (const element of document.querySelectorAll(".place-map")) draw(element);
