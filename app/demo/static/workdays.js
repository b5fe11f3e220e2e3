// The operator's page of the demo: one button, and who was told what.
const $ = id => document.getElementById(id)
const make = (tag, given = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), given)
  node.append(...children.filter(child => child !== null))
  return node
}
const phone = code => `/simulator/#${encodeURIComponent(code)}`
const state = { next: null, busy: false, drawn: '', open: new Set() }
// The card is the link here.
const LINK = /点开查看：?\s*https?:\S+/
const GOOD = new Set(['sent', 'confirmed'])
const BAD = new Set(['call_list', 'unknown'])

function task (one) {
  const progress = one.owed ? `${one.done}/${one.owed}` : ''
  const missing = one.behind ? `，差 ${one.behind} 次` : ''
  return make('li', {}, make('span', { className: 'code' }, one.code), ` ${one.phrase} ${progress}${missing}`)
}

function person (one) {
  const mark = GOOD.has(one.state) ? 'good' : BAD.has(one.state) ? 'bad' : 'faint'
  return make('li', {}, make('a', { className: 'card', href: phone(one.code) },
    make('div', { className: 'head' }, make('strong', {}, one.name),
      make('span', { className: 'faint' }, `${one.code} · ${one.organisation}`),
      make('span', { className: `kind ${one.kind}` }, one.phrase)),
    one.text ? make('p', {}, one.text.replace(LINK, '')) : null,
    one.tasks.length ? make('ul', { className: 'tasks' }, ...one.tasks.map(task)) : null,
    make('div', { className: 'foot' },
      make('span', { className: mark }, [one.channel, one.outcome].filter(Boolean).join(' · ')),
      one.reason ? make('span', { className: 'faint' }, one.reason) : null)))
}

function day (one, newest) {
  const list = one.told.length
    ? make('ul', { className: 'cards' }, ...one.told.map(person))
    : make('p', { className: 'none' }, '这一天没有人需要提醒。')
  const sent = one.told.filter(each => GOOD.has(each.state)).length
  const calls = one.told.filter(each => each.state === 'call_list').length
  const counts = [`${sent} 人收到`, calls ? `${calls} 人要打电话` : ''].filter(Boolean).join('，')
  const box = make('details', { open: newest || state.open.has(one.day) },
    make('summary', {}, one.name, make('span', { className: 'faint' }, one.told.length ? counts : '没有提醒')), list)
  box.addEventListener('toggle', () => state.open[box.open ? 'add' : 'delete'](one.day))
  return box
}

function call (one) {
  return make('li', {}, make('a', { className: 'card', href: phone(one.code) },
    make('div', { className: 'head' }, make('strong', {}, one.name),
      make('span', { className: 'faint' }, `${one.code} · ${one.organisation}`)),
    make('div', { className: 'foot' }, make('span', {}, one.phone ?? '名册里没有电话'),
      make('span', { className: 'bad' }, one.reason))))
}

function draw (shown) {
  state.next = shown.next
  if (!state.busy) {
    $('press').disabled = false
    $('press').textContent = `发 ${shown.next.name} 的提醒`
  }
  const drawn = JSON.stringify(shown)
  if (drawn === state.drawn) return
  state.drawn = drawn
  $('days').replaceChildren(...(shown.days.length
    ? shown.days.map((one, n) => day(one, n === 0))
    : [make('p', { className: 'none' }, '还没有发过提醒。')]))
  $('calls').replaceChildren(...(shown.calls.length
    ? shown.calls.map(call)
    : [make('li', { className: 'none' }, '没有人要打电话。')]))
}

async function read () {
  const answer = await fetch('workdays')
  if (!answer.ok) throw new Error(answer.status)
  draw(await answer.json())
}

async function press () {
  const asked = state.next
  state.busy = true
  $('press').disabled = true
  $('press').textContent = `正在发 ${asked.name} 的提醒…`
  $('said').textContent = ''
  try {
    const answer = await fetch('workdays', { method: 'POST', body: JSON.stringify({ day: asked.day }) })
    const shown = await answer.json()
    state.busy = false
    if (!shown.days) throw new Error(answer.status)
    state.open.clear()
    draw(shown)
    const told = shown.days.find(one => one.day === asked.day)?.told ?? []
    $('said').textContent = answer.status === 409
      ? '刚才已经有人发过了。'
      : told.length ? `${asked.name}：${told.length} 人，见下。` : `${asked.name}没有人需要提醒。`
  } catch {
    state.busy = false
    $('said').textContent = '没有发成，请再试一次。'
    read().catch(() => {})
  }
}

$('press').addEventListener('click', press)
read().catch(() => { $('said').textContent = '还没有准备好，请稍后刷新。' })
setInterval(() => { if (!state.busy && !document.hidden) read().catch(() => {}) }, 4000)
