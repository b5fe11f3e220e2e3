// Leave to send: the popup that asks for it, and the settings that take it back.
import { $, make, tap } from './parts.js'

const MOST = 3
const NAMES = { mini_program: '小程序', service_account: '服务号' }

export class Permits {
  // `ask` reads a path of this person's, `act` does something on their phone.
  constructor (setup, ask, act) {
    this.ask = ask
    this.act = act
    this.apps = { mini_program: setup.mini_program.name, service_account: setup.account.name }
    this.titles = Object.fromEntries(setup.templates.map(one => [one.id, one.title]))
    this.asked = null
    $('popups').replaceChildren(...this.groups(setup.templates).map(group => this.opener(group)))
    $('popup').addEventListener('close', () => this.answered())
    $('refuse').addEventListener('change', () =>
      act('refuse_messages', { refused: $('refuse').checked }).catch(() => {}))
  }

  // One popup never asks for one-time and long-term messages together, nor for more than three.
  groups (templates) {
    const groups = new Map()
    for (const one of templates) {
      const key = one.account + one.long_term
      const found = groups.get(key) ?? { account: one.account, long: one.long_term, ids: [] }
      if (found.ids.length < MOST) found.ids.push(one.id)
      groups.set(key, found)
    }
    return [...groups.values()]
  }

  opener (group) {
    const button = make('button', { type: 'button', className: 'plain' },
      `${NAMES[group.account]}弹出${group.long ? '长期' : ''}订阅窗`)
    tap(button, () => this.open(group.account, group.ids))
    return button
  }

  async open (account, ids) {
    const { popup } = await this.act('subscription_popup', { account, template_ids: ids })
    const open = Object.keys(popup).filter(id => popup[id] === null)
    if (!open.length) return this.show()
    this.asked = { account, settled: popup }
    $('popup-title').textContent = `${this.apps[account]} 申请发送以下消息`
    $('popup-templates').replaceChildren(...open.map(id => make('li', {}, make('label', { className: 'check' },
      make('input', { type: 'checkbox', checked: true, value: id }), this.titles[id] ?? id))))
    $('popup-always').checked = false
    $('popup').returnValue = 'reject'
    $('popup').showModal()
  }

  async answered () {
    const { account, settled } = this.asked
    const yes = $('popup').returnValue === 'accept'
    const answers = Object.fromEntries(Object.entries(settled).filter(([, answer]) => answer !== null))
    for (const box of $('popup-templates').querySelectorAll('input')) {
      answers[box.value] = yes && box.checked ? 'accept' : 'reject'
    }
    await this.act('subscription', { account, answers, always: $('popup-always').checked }).catch(() => {})
    await this.show().catch(() => {})
  }

  async show () {
    const listed = await this.ask('permits')
    $('permits').replaceChildren(...listed.map(one => {
      const state = one.standing ? '长期有效' : one.left ? `还能收 ${one.left} 条` : '没有授权'
      const given = one.standing || one.left > 0
      const close = make('button', { type: 'button', className: 'plain' }, '关闭')
      tap(close, () => this.act('cancel_subscription', { account: one.account, template_id: one.id }).then(() => this.show()))
      return make('li', {}, make('span', {}, `${NAMES[one.account]}：${one.title}${one.long_term ? '（长期）' : ''}`),
        make('span', { className: given ? 'good' : 'faint' }, state),
        one.settled ? make('span', { className: 'faint' }, one.settled === 'accept' ? '总是允许' : '总是拒绝') : null,
        given || one.settled ? close : null)
    }))
  }
}
