// The web phone: one person's chat with the account, and what else their phone can do.
import { SmallMap } from './map.js'
import { $, make, safe, tap } from './parts.js'
import { Permits } from './permits.js'

const state = { setup: null, key: '', seen: 0, menu: '', follows: false, pending: null, label: '', stop: null, lastAt: 0, newer: 0, stuck: true, permits: null }
const UNREAD_SHOWN = 5
const narrow = matchMedia('(max-width: 800px)')

const ask = async (path, given) => {
  const answer = await fetch('api/' + path, given)
  const body = await answer.json().catch(() => ({}))
  if (!answer.ok) {
    toast(body.error || '出错了，请再试一次')
    throw new Error(path)
  }
  return body
}
const mine = path => `people/${encodeURIComponent(state.key)}/${path}`
const act = (name, more = {}) => ask(mine('acts'), { method: 'POST', body: JSON.stringify({ act: name, ...more }) })

let fading
function toast (text) {
  $('toast').textContent = text
  $('toast').hidden = false
  clearTimeout(fading)
  fading = setTimeout(() => { $('toast').hidden = true }, 3500)
}

// The chat

function bubble (item) {
  const side = item.type === 'event' || item.kind === 'notice' ? 'middle' : item.mine ? 'mine' : 'theirs'
  if (side === 'middle') return make('li', { className: side }, item.text)
  return make('li', { className: side }, content(item))
}

function content (item) {
  const media = item.media_id && `api/media/${encodeURIComponent(item.media_id)}`
  if (item.type === 'image') {
    const image = make('img', { src: media, alt: '照片', loading: 'lazy' })
    image.addEventListener('load', () => { if (!state.newer) toEnd() })
    return make('div', { className: 'bubble picture' }, image)
  }
  if (item.type === 'voice' || item.type === 'video') {
    return make('div', { className: 'bubble' }, item.type === 'voice' ? '（语音）' : '（视频）')
  }
  if (item.type === 'location') {
    const [lon, lat] = item.place
    const datum = make('div', { className: 'faint' }, `${lat.toFixed(5)}, ${lon.toFixed(5)}（火星坐标）`)
    return make('div', { className: 'bubble' }, make('strong', { className: 'pinned' }, item.text || '地图上的位置'), datum)
  }
  if (item.type === 'card' || item.type === 'news' || item.type === 'miniprogrampage') return card(item)
  return make('div', { className: 'bubble' }, ...linked(item.text))
}

function card (item) {
  const rows = item.lines.flatMap(([label, value]) => [make('dt', {}, label), make('dd', {}, value)])
  const from = { template: '公众号消息', subscribe: item.from === 'mini' ? '小程序 · 服务通知' : '公众号 · 订阅通知' }[item.kind]
  return make('div', { className: 'bubble card' }, from ? make('div', { className: 'faint' }, from) : null,
    make('h4', {}, item.title), item.text || '', make('dl', {}, ...rows),
    item.page ? make('span', { className: 'page' }, `进入小程序 ${item.page}`) : null,
    safe(item.url) ? make('a', { href: item.url, target: '_blank', rel: 'noopener' }, '查看详情 ›') : null)
}

function linked (text) {
  return text.split(/(https?:\/\/[^\s，。）]+)/).map(part =>
    safe(part) ? make('a', { href: part, target: '_blank', rel: 'noopener' }, part) : part)
}

function toEnd () {
  $('chat').scrollTop = $('chat').scrollHeight
  newer(0)
}

// Who has scrolled up reads on; what arrived below is announced and not forced upon them.
function newer (count) {
  state.newer = count
  $('newer').hidden = !count
  $('newer').textContent = `${count} 条新消息 ↓`
}

const atEnd = () => $('chat').scrollHeight - $('chat').scrollTop - $('chat').clientHeight < 60

function receive (body) {
  if (body.from < state.seen) {
    $('chat').replaceChildren()
    state.lastAt = 0
  }
  const opening = body.from === 0
  const follow = opening || atEnd() || body.items.some(item => item.mine)
  let marked = !opening || body.read === 0
  for (const item of body.items) {
    if (item.at - state.lastAt > 300) {
      const time = new Date(item.at * 1000).toLocaleTimeString('zh-CN', { hour: '2-digit', minute: '2-digit', timeZone: 'Asia/Shanghai' })
      $('chat').append(make('li', { className: 'middle' }, time))
    }
    state.lastAt = item.at
    if (!marked && item.seq > body.read && !item.mine) {
      marked = true
      $('chat').append(make('li', { className: 'middle fresh' }, '以下是新消息'))
    }
    $('chat').append(bubble(item))
  }
  state.seen = body.from + body.items.length
  if (body.items.length) {
    if (follow) toEnd()
    else newer(state.newer + body.items.filter(item => !item.mine).length)
    state.permits?.show().catch(() => {})
  }
  follows(body.follows)
  $('refuse').checked = body.refuses
  drawMenu(body.menu)
}

async function listen () {
  state.stop?.abort()
  const { signal } = state.stop = new AbortController()
  for (let first = true; !signal.aborted; first = false) {
    try {
      const answer = await fetch('api/' + mine(`chat?after=${state.seen}&wait=${first ? 0 : 5}&read=${document.hidden ? 0 : state.seen}`), { signal })
      if (!answer.ok) throw new Error(answer.status)
      receive(await answer.json())
      $('offline').hidden = true
    } catch {
      if (signal.aborted) return
      $('offline').hidden = false
      await new Promise(resolve => setTimeout(resolve, 1000))
    }
  }
}

// The person

async function become (key) {
  const person = state.setup.people.find(one => one.key === key) ?? state.setup.people[0]
  if (!person) return
  Object.assign(state, { key: person.key, seen: 0, menu: '', lastAt: 0, stuck: true })
  newer(0)
  $('person').value = person.key
  $('phone-number').textContent = person.phone ? `手机 ${person.phone}` : '没有绑定手机号'
  $('chat').replaceChildren()
  $('steps').replaceChildren()
  pending(null)
  history.replaceState(null, '', '#' + encodeURIComponent(person.key))
  listen()
  drawUnread().catch(() => {})
  state.permits?.show().catch(() => {})
  await ask(mine('pick'), { method: 'POST' })
}

function follows (yes) {
  state.follows = yes
  $('chat').dataset.hint = yes ? '发条消息，或者点菜单试试' : '关注公众号后开始聊天'
  $('follow').textContent = yes ? '取消关注' : '关注公众号'
  $('follow').className = yes ? 'plain' : 'send'
  $('text').disabled = $('say').querySelector('button').disabled = !yes
  $('text').placeholder = yes ? '说点什么' : '关注后才能聊天'
}

// Other people's phones on which something waits

async function drawUnread () {
  const answer = await fetch('api/unread')
  if (!answer.ok) return
  const waiting = await answer.json()
  const others = Object.entries(waiting).filter(([key]) => key !== state.key || document.hidden)
  const count = others.reduce((sum, [, unread]) => sum + unread, 0)
  document.title = `${count ? `(${count}) ` : ''}${state.setup.account.name} · 微信模拟器`
  for (const option of $('person').options) {
    const unread = option.value === state.key ? 0 : waiting[option.value] ?? 0
    option.textContent = `${option.dataset.name}${unread ? ` ● ${unread}` : ''}`
  }
  const names = Object.fromEntries(state.setup.people.map(one => [one.key, one.name]))
  $('unread').hidden = !others.length
  $('unread').replaceChildren('新消息', ...others.slice(0, UNREAD_SHOWN).map(([key, unread]) => {
    const chip = make('button', { type: 'button' }, names[key] ?? key, make('b', {}, String(unread)))
    tap(chip, () => become(key))
    return chip
  }), others.length > UNREAD_SHOWN ? `等 ${others.length} 人` : '')
}

// The menu

function drawMenu (buttons) {
  const drawn = JSON.stringify(buttons)
  if (drawn === state.menu) return
  const appeared = state.menu === '' && buttons.length > 0
  state.menu = drawn
  $('menu').replaceChildren(...buttons.map(top => {
    const below = top.sub_button ?? []
    const button = make('button', { type: 'button' }, below.length ? `≡ ${top.name}` : top.name)
    const holder = make('div', {}, button)
    if (!below.length) tap(button, () => choose(top))
    else {
      button.setAttribute('aria-expanded', 'false')
      tap(button, () => {
        const open = holder.querySelector('.below')
        closeMenus()
        if (open) return
        button.setAttribute('aria-expanded', 'true')
        holder.prepend(make('div', { className: 'below' }, ...below.map(entry => {
          const item = make('button', { type: 'button' }, entry.name)
          tap(item, () => { closeMenus(); return choose(entry) })
          return item
        })))
      })
    }
    return holder
  }))
  $('toggle').hidden = !buttons.length
  if (appeared || !buttons.length) showMenu(buttons.length > 0)
}

function closeMenus () {
  document.querySelectorAll('.below').forEach(node => node.remove())
  document.querySelectorAll('#menu [aria-expanded]').forEach(node => node.setAttribute('aria-expanded', 'false'))
}

function showMenu (yes) {
  $('menu').hidden = !yes
  $('say').hidden = yes
  $('toggle').textContent = yes ? '⌨' : '☰'
}

function choose (entry) {
  if (!state.follows) return toast('先关注公众号')
  if (entry.type === 'click') return act('click', { key: entry.key })
  if (entry.type === 'view') {
    if (safe(entry.url)) open(entry.url, '_blank', 'noopener')
    return act('view', { url: entry.url })
  }
  if (entry.type === 'miniprogram') return show('mini')
  pending(entry)
  show(entry.type === 'location_select' ? 'place' : entry.type.startsWith('pic') ? 'photo' : 'scan')
}

function pending (entry) {
  state.pending = entry
  $('pending').hidden = !entry
  $('pending').textContent = entry ? `菜单：${entry.name}` : ''
}

function taken (...types) {
  const entry = state.pending
  if (!entry || !types.some(type => entry.type.startsWith(type))) return {}
  pending(null)
  return { key: entry.key }
}

// The panes

function show (name) {
  for (const tab of document.querySelectorAll('[role=tab]')) {
    const on = tab.dataset.tab === name
    tab.setAttribute('aria-selected', String(on))
    tab.tabIndex = on ? 0 : -1
  }
  for (const pane of document.querySelectorAll('[data-pane]')) pane.hidden = pane.dataset.pane !== name
  $('desk').classList.add('open')
  if (name === 'log') drawLog().catch(() => {})
}

function done () { if (narrow.matches) $('desk').classList.remove('open') }

const map = new SmallMap($('map'), (lon, lat, near) => {
  $('lon').value = lon
  $('lat').value = lat
  state.label = near && near.metres < 500 ? `${near.name}附近` : ''
  $('near').textContent = near ? `最近的界碑：${near.name}，约 ${Math.round(near.metres)} 米` : ''
})

async function sendPlace () {
  await act('location', { lon: map.lon, lat: map.lat, label: state.label, ...taken('location') })
  done()
}

async function sendPhotos (form) {
  const { key } = taken('pic')
  if (key) form.append('key', key)
  await ask(mine('photos'), { method: 'POST', body: form })
  done()
}

async function scan (text) {
  if (!text) return
  const { key } = taken('scancode')
  const answer = key ? await act('scan_and_wait', { key, content: text }) : await act('scan', { content: text })
  $('opened').hidden = !answer.open
  if (!answer.open) return done()
  $('opened-link').textContent = answer.open
  if (!safe(answer.open)) return
  $('opened-link').href = answer.open
  open(answer.open, '_blank', 'noopener')
}

const stele = () => state.setup.steles.find(one => one.code === $('stele').value)

async function drawLog () {
  const [pushes, calls] = await Promise.all([ask('pushes?limit=30'), ask('calls?limit=30')])
  const names = { replied: '已回复', success: '成功', failed: '失败', none: '没有回调地址', '': '等待…' }
  $('pushes').replaceChildren(...pushes.reverse().map(push => make('li', {},
    make('span', {}, `${push.kind} · ${push.attempts.length} 次`),
    make('span', { className: push.outcome === 'failed' ? 'bad' : 'good' }, names[push.outcome]),
    make('span', { className: 'bad' }, push.fault))))
  $('calls').replaceChildren(...calls.reverse().map(call => make('li', {},
    make('span', {}, call.path),
    make('span', { className: call.errcode || call.status !== 200 ? 'bad' : 'good' }, `${call.status} ${call.errcode || 'ok'}`))))
}

async function journey () {
  $('journey').disabled = true
  try {
    const { steps } = await ask(mine('journey'), { method: 'POST', body: JSON.stringify({ lon: map.lon, lat: map.lat }) })
    $('steps').replaceChildren(...steps.map(one => make('li', {},
      make('span', { className: one.status >= 200 && one.status < 300 ? 'good' : 'bad' }, `${one.step} ${one.status}`),
      make('pre', {}, typeof one.answer === 'string' ? one.answer : JSON.stringify(one.answer, null, 1)))))
    // After a record the mini-program asks for leave to remind, where our API says so.
    const asked = steps.find(one => one.answer?.ask_for?.length)
    if (asked) await state.permits.open('mini_program', asked.answer.ask_for)
  } finally {
    $('journey').disabled = false
  }
}

function listenToTaps () {
  $('person').addEventListener('change', () => become($('person').value).catch(() => {}))
  tap($('follow'), () => act(state.follows ? 'unfollow' : 'follow'))
  $('say').addEventListener('submit', event => {
    event.preventDefault()
    const text = $('text').value.trim()
    if (text) act('say', { text }).then(() => { $('text').value = '' }, () => {})
  })
  tap($('toggle'), () => { showMenu($('menu').hidden); if ($('menu').hidden) $('text').focus() })
  tap($('newer'), toEnd)
  $('chat').addEventListener('scroll', () => {
    state.stuck = atEnd()
    if (state.newer && state.stuck) newer(0)
  })
  // Who reads the end still reads it when the chat gets smaller.
  new ResizeObserver(() => { if (state.stuck) toEnd() }).observe($('chat'))
  addEventListener('hashchange', () => {
    const key = decodeURIComponent(location.hash.slice(1))
    if (key !== state.key) become(key).catch(() => {})
  })
  tap($('plus'), () => $('desk').classList.contains('open') ? done() : show('place'))
  tap($('close'), done)
  tap($('send-place'), sendPlace)
  $('map').addEventListener('send', () => sendPlace().catch(() => {}))
  tap($('report-place'), () => act('report_location', { lon: map.lon, lat: map.lat }))
  tap($('zoom-in'), () => map.zoom(0.6))
  tap($('zoom-out'), () => map.zoom(1.6))
  for (const id of ['lon', 'lat']) {
    $(id).addEventListener('change', () => {
      const lon = Number($('lon').value); const lat = Number($('lat').value)
      if (Math.abs(lon) <= 180 && Math.abs(lat) <= 90) map.pick(lon, lat)
    })
  }
  $('files').addEventListener('change', () => {
    const form = new FormData()
    for (const file of $('files').files) form.append('files', file)
    $('files').value = ''
    sendPhotos(form).catch(() => {})
  })
  for (const button of document.querySelectorAll('[data-samples]')) {
    tap(button, () => {
      const form = new FormData()
      form.append('samples', button.dataset.samples)
      return sendPhotos(form)
    })
  }
  for (const button of document.querySelectorAll('[data-act]')) tap(button, () => act(button.dataset.act).then(done))
  for (const button of document.querySelectorAll('[data-code]')) {
    tap(button, async () => {
      $('code').textContent = (await act(button.dataset.code)).code
      $('copy').hidden = false
    })
  }
  tap($('copy'), () => navigator.clipboard.writeText($('code').textContent).then(() => toast('已复制')))
  tap($('scan-scene'), () => scan(stele()?.scene))
  tap($('scan-url'), () => scan(stele()?.url))
  $('scan').addEventListener('submit', event => { event.preventDefault(); scan($('content').value.trim()).catch(() => {}) })
  tap($('journey'), journey)
  const tabs = [...document.querySelectorAll('[role=tab]')]
  tabs.forEach((tab, i) => {
    tap(tab, () => show(tab.dataset.tab))
    tab.addEventListener('keydown', event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
      if (!step) return
      const next = tabs[(i + step + tabs.length) % tabs.length]
      show(next.dataset.tab)
      next.focus()
    })
  })
  document.addEventListener('keydown', event => { if (event.key === 'Escape') { closeMenus(); done() } })
  document.addEventListener('click', event => { if (!event.target.closest('#menu')) closeMenus() })
  setInterval(() => {
    if (!document.querySelector('[data-pane=log]').hidden) drawLog().catch(() => {})
    drawUnread().catch(() => {})
  }, 3000)
}

async function start () {
  show('place')
  done()
  listenToTaps()
  const setup = state.setup = await ask('setup')
  document.title = `${setup.account.name} · 微信模拟器`
  $('account').textContent = setup.account.name
  $('mini-name').textContent = `小程序：${setup.mini_program.name}`
  $('journey-part').hidden = !setup.journey
  $('links').replaceChildren(...setup.links.map(([label, href]) => make('a', { href }, label)))
  $('person').replaceChildren(...setup.people.map(one => {
    const name = `${one.name}（${one.key}）`
    const option = make('option', { value: one.key }, name)
    option.dataset.name = name
    return option
  }))
  $('stele').replaceChildren(...setup.steles.map(one => make('option', { value: one.code }, `${one.name}（${one.code}）`)))
  $('scan-scene').disabled = !setup.steles.some(one => one.scene)
  $('scan-url').disabled = !setup.steles.some(one => one.url)
  state.permits = new Permits(setup, path => ask(mine(path)), act)
  await become(decodeURIComponent(location.hash.slice(1)))
  map.draw(await ask('map'))
}

start().catch(() => toast('模拟器没有回应，请刷新页面'))
