// What all maps share: the base tiles, if any are set, and our own water in their degrees.
/* global L */

const WATER = { color: "#2b7f9e", weight: 1, fillColor: "#a9d3e3", fillOpacity: 0.75 };
const RIVER = { color: "#2b7f9e", weight: 3, opacity: 0.7 };
const REACH = { color: "#0b4f8a", weight: 4, opacity: 0.85, dashArray: "8 5" };

// A Leaflet map in the element; its data-* say what lies below and in which datum.
export function open(element, options = {}) {
  const { tiles, attribution } = element.dataset;
  // Tiles are drawn for whole steps only.
  const zoomSnap = tiles ? 1 : 0.25;
  const map = L.map(element, { zoomControl: false, attributionControl: false, maxZoom: 19, zoomSnap, ...options });
  L.control.zoom({ zoomInTitle: "放大", zoomOutTitle: "缩小" }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  // Water below, the cells on it, reaches and tracks above both.
  map.createPane("water").style.zIndex = 380;
  map.createPane("cells").style.zIndex = 390;
  if (tiles) {
    L.tileLayer(tiles, { maxZoom: 19, attribution }).addTo(map);
    L.control.attribution({ prefix: false }).addTo(map);
  }
  return map;
}

export async function read(address, values = {}) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
  const answer = await fetch(`${address}?${query}`, { headers: { Accept: "application/geo+json, application/json" } });
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}

// The water as two layers: bodies and reaches.
export async function water(element) {
  const drawn = await read("/dashboard/map/water.json", { datum: element.dataset.datum });
  const of = (layer, style) =>
    L.geoJSON(drawn, {
      filter: (feature) => feature.properties.layer === layer,
      style,
      pane: layer === "reach" ? "overlayPane" : "water",
      interactive: layer === "reach",
      onEachFeature: (feature, shape) => layer === "reach" && shape.bindPopup(() => about(feature.properties, "reaches")),
    });
  return {
    bodies: of("waterbody", (feature) => (feature.properties.kind === "lake" ? WATER : RIVER)),
    reaches: of("reach", () => REACH),
  };
}

// A popup about something: its name, a link to its page, and some lines.
export function about(properties, noun, lines = []) {
  const box = document.createElement("div");
  const link = document.createElement("a");
  link.href = `/dashboard/${noun}/${encodeURIComponent(properties.code)}`;
  link.textContent = properties.name;
  box.append(link);
  for (const line of lines) {
    box.append(document.createElement("br"), line);
  }
  return box;
}
