"""How the page looks: one style sheet, light or dark as the reader's browser asks."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f")
"""Okabe and Ito's, which colour-blind readers can tell apart, without black and yellow, and two more."""
DASHES = (None, "6 3", "2 2", "8 3 2 3")
"""Once the colours are used up, lines are dashed."""

STYLE = """
:root { --ink: #1d2733; --soft: #5b6675; --line: #d8dee7; --back: #fff; --card: #f6f8fb; --good: #0a7d4f;
  --bad: #c0392b; --mark: #0072b2; color-scheme: light dark }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --soft: #9aa6b6; --line: #38424f; --back: #14191f;
  --card: #1c232b; --good: #4cc38a; --bad: #ff8a7a; --mark: #56b4e9 } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); margin: 0 auto;
  padding: 1.5rem 2rem 4rem; max-width: 1400px }
h1 { font-size: 1.6rem; margin: 0 0 .3rem } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem;
  border-bottom: 1px solid var(--line); padding-bottom: .2rem } h3 { font-size: 1rem; margin: 1.2rem 0 .4rem }
p, li { max-width: 90ch } p.note, .note li, figcaption { color: var(--soft); font-size: .9rem }
code, pre { font-family: ui-monospace, monospace; font-size: .87rem }
pre { background: var(--card); padding: .7rem 1rem; overflow: auto; border-radius: 6px }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem; margin: .4rem 0 }
th, td { text-align: left; padding: .25rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top;
  unicode-bidi: isolate }
th { font-weight: 600; color: var(--soft) } th, .short { white-space: nowrap }
tbody tr:hover { background: var(--card) }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: .15rem 2rem; margin: .4rem 0 }
dl div { display: flex; justify-content: space-between; gap: 1rem; border-bottom: 1px solid var(--line) }
dt { color: var(--soft) } dd { margin: 0; text-align: right; overflow-wrap: anywhere }
summary { cursor: pointer; font-weight: 600; padding: .25rem 0 }
details > :not(summary) { margin-left: 1rem }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 1rem }
figure { margin: 0; background: var(--card); border-radius: 6px; padding: .5rem .6rem .2rem }
figcaption { font-weight: 600 } section > figure { margin: .6rem 0 }
svg { display: block; width: 100%; height: auto } svg text { fill: var(--soft); font: 11px system-ui, sans-serif }
svg .grid { stroke: var(--line); stroke-width: 1 } svg .row { fill: var(--ink) }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .9rem; margin: .3rem 0 .8rem }
.legend svg { display: inline-block; width: 26px; height: 8px; vertical-align: middle; margin-right: .4rem }
img.figure { max-width: 100%; background: #fff; border-radius: 6px }
.mistake { background: var(--card); border-left: 3px solid var(--bad); border-radius: 0 6px 6px 0; margin: .5rem 0;
  padding: .4rem .8rem; unicode-bidi: isolate; overflow-wrap: anywhere; white-space: pre-wrap }
.mistake > div { display: grid; grid-template-columns: 7rem 1fr; gap: .8rem }
.mistake .name { color: var(--soft) } .gold { color: var(--good) } .wrong { color: var(--bad) }
.long { max-height: 11rem; overflow: auto }
mark { background: none; color: inherit; border-radius: 3px; padding: 0 .1em }
mark.gold { background: color-mix(in srgb, var(--good) 22%, transparent) }
mark.wrong { background: color-mix(in srgb, var(--bad) 22%, transparent) }
mark.both { background: color-mix(in srgb, var(--mark) 22%, transparent) }
mark sub { font-size: .7em; color: var(--soft); margin-left: .25em }
.confusion td.number { min-width: 3.2rem }
"""
