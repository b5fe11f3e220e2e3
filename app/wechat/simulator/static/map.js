// A small map drawn from GeoJSON as SVG: pick a place by click, by arrow keys or by typing it.
const SVG = 'http://www.w3.org/2000/svg'
const EMPTY = [102.94, 24.84, 103.06, 24.96]

export class SmallMap {
  constructor (svg, onPick) {
    this.svg = svg
    this.onPick = onPick
    this.shapes = svg.appendChild(document.createElementNS(SVG, 'g'))
    this.marks = svg.appendChild(document.createElementNS(SVG, 'g'))
    this.steles = []
    this.draw({})
    this.listen()
  }

  // The page's plane: degrees, squeezed east-west as the latitude demands, north up.
  x (lon) { return lon * this.squeeze }
  y (lat) { return -lat }

  draw (layers) {
    const bounds = [Infinity, Infinity, -Infinity, -Infinity]
    const visit = c => typeof c[0] === 'number'
      ? [0, 1].forEach(i => { bounds[i] = Math.min(bounds[i], c[i]); bounds[i + 2] = Math.max(bounds[i + 2], c[i]) })
      : c.forEach(visit)
    for (const layer of Object.values(layers)) {
      for (const feature of layer.features) if (feature.geometry) visit(feature.geometry.coordinates)
    }
    const [west, south, east, north] = bounds[0] < bounds[2] ? bounds : EMPTY
    this.squeeze = Math.cos((south + north) / 2 * Math.PI / 180)
    this.shapes.replaceChildren()
    for (const name of ['grid_cells', 'waterbodies', 'reaches']) {
      for (const feature of (layers[name]?.features ?? []).slice(0, 3000)) this.shape(name, feature)
    }
    this.steles = (layers.steles?.features ?? []).slice(0, 3000).map(f => ({
      name: f.properties.name || f.properties.code, lon: f.geometry.coordinates[0], lat: f.geometry.coordinates[1]
    }))
    const pad = (east - west) * 0.04
    this.view = { x: this.x(west - pad), y: this.y(north + pad), w: this.x(east - west + 2 * pad), h: north - south + 2 * pad }
    this.pick((west + east) / 2, (south + north) / 2)
    this.frame()
  }

  shape (name, feature) {
    const { type, coordinates } = feature.geometry ?? {}
    const area = /Polygon/.test(type)
    const lines = type === 'LineString' ? [coordinates]
      : type === 'MultiLineString' || type === 'Polygon' ? coordinates
        : type === 'MultiPolygon' ? coordinates.flat() : []
    if (!lines.length) return
    const path = document.createElementNS(SVG, 'path')
    path.setAttribute('d', lines.map(line => 'M' + line.map(([lon, lat]) =>
      `${this.x(lon).toFixed(6)} ${this.y(lat).toFixed(6)}`).join('L') + (area ? 'Z' : '')).join(''))
    path.setAttribute('fill-rule', 'evenodd')
    path.setAttribute('class', name === 'waterbodies' ? (area ? 'lake' : 'river') : name)
    const title = document.createElementNS(SVG, 'title')
    title.textContent = feature.properties?.name ?? ''
    path.append(title)
    this.shapes.append(path)
  }

  frame () {
    const { x, y, w, h } = this.view
    this.svg.setAttribute('viewBox', `${x} ${y} ${w} ${h}`)
    const box = this.svg.getBoundingClientRect()
    const pixel = Math.max(w / (box.width || 500), h / (box.height || 400))
    this.marks.replaceChildren()
    const circle = (kind, lon, lat, radius, text) => {
      const mark = document.createElementNS(SVG, 'circle')
      for (const [key, value] of Object.entries({ class: kind, cx: this.x(lon), cy: this.y(lat), r: radius * pixel })) {
        mark.setAttribute(key, value)
      }
      const title = document.createElementNS(SVG, 'title')
      title.textContent = text
      mark.append(title)
      this.marks.append(mark)
    }
    for (const stele of this.steles) circle('stele', stele.lon, stele.lat, 6, stele.name)
    circle('pin', this.lon, this.lat, 9, '选中的位置')
  }

  pick (lon, lat) {
    this.lon = Number(lon.toFixed(6))
    this.lat = Number(lat.toFixed(6))
    this.frameSoon()
    this.onPick(this.lon, this.lat, this.nearest())
  }

  // The nearest stele and about how far it is (metres).
  nearest () {
    let best = null
    for (const stele of this.steles) {
      const metres = 111320 * Math.hypot((stele.lon - this.lon) * this.squeeze, stele.lat - this.lat)
      if (!best || metres < best.metres) best = { ...stele, metres }
    }
    return best
  }

  // Whoever taps on a stele means the stele.
  steleNear (event) {
    const at = this.where(event)
    const pixel = this.view.h / this.svg.getBoundingClientRect().height
    return this.steles.find(stele =>
      Math.hypot(this.x(stele.lon) - at.x, this.y(stele.lat) - at.y) < 9 * pixel)
  }

  frameSoon () {
    cancelAnimationFrame(this.next)
    this.next = requestAnimationFrame(() => this.view && this.frame())
  }

  zoom (factor, at) {
    const centre = at ?? { x: this.x(this.lon), y: this.y(this.lat) }
    const v = this.view
    this.view = { x: centre.x - (centre.x - v.x) * factor, y: centre.y - (centre.y - v.y) * factor, w: v.w * factor, h: v.h * factor }
    this.frameSoon()
  }

  where (event) {
    const point = new DOMPoint(event.clientX, event.clientY)
    return point.matrixTransform(this.svg.getScreenCTM().inverse())
  }

  listen () {
    let down = null
    this.svg.addEventListener('pointerdown', event => {
      down = { at: this.where(event), x: event.clientX, y: event.clientY, moved: false }
      this.svg.setPointerCapture(event.pointerId)
    })
    this.svg.addEventListener('pointermove', event => {
      if (!down) return
      if (Math.hypot(event.clientX - down.x, event.clientY - down.y) > 6) down.moved = true
      if (!down.moved) return
      const now = this.where(event)
      this.view.x += down.at.x - now.x
      this.view.y += down.at.y - now.y
      this.frame()
    })
    this.svg.addEventListener('pointerup', event => {
      if (down && !down.moved) {
        const at = this.where(event)
        const stele = this.steleNear(event)
        if (stele) this.pick(stele.lon, stele.lat)
        else this.pick(at.x / this.squeeze, -at.y)
      }
      down = null
    })
    this.svg.addEventListener('pointercancel', () => { down = null })
    this.svg.addEventListener('wheel', event => {
      event.preventDefault()
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.where(event))
    }, { passive: false })
    this.svg.addEventListener('keydown', event => {
      const step = this.view.h / 40
      const moves = { ArrowUp: [0, step], ArrowDown: [0, -step], ArrowLeft: [-step, 0], ArrowRight: [step, 0] }
      if (event.key in moves) this.pick(this.lon + moves[event.key][0], this.lat + moves[event.key][1])
      else if (event.key === '+' || event.key === '=') this.zoom(0.8)
      else if (event.key === '-') this.zoom(1.25)
      else if (event.key === 'Enter') this.svg.dispatchEvent(new CustomEvent('send'))
      else return
      event.preventDefault()
    })
    new ResizeObserver(() => this.frameSoon()).observe(this.svg)
  }
}
