// Small parts that every page of the web phone is made of.

export const $ = id => document.getElementById(id)

export const make = (tag, given = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), given)
  node.append(...children.filter(child => child !== null))
  return node
}

// What a tap began may be refused; the person has read why, and there is nothing else to do.
export const tap = (node, work) => node.addEventListener('click', () => Promise.resolve(work()).catch(() => {}))

export const safe = url => /^https?:\/\//.test(url)
