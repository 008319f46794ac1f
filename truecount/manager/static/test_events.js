// Test events: puts what the stream tells into the rows. Without this file the page shows its last rows and a link to reload.
(() => {
  const $ = (s, r = document) => r.querySelector(s), $$ = (s, r = document) => [...r.querySelectorAll(s)];
  const live = $('[data-live]'), stream = $('[data-stream]');
  if (!live || !stream || !window.EventSource) return;
  const MOST_ROWS = 500, MOST_HELD = 500, WIDE = matchMedia('(min-width: 70.01rem)');
  const state = $('[data-live-state]'), count = $('[data-live-count]'), pause = $('[data-pause]'), say = $('#say');
  const flood = $('[data-flood-line]'), missed = $('[data-missed-line]'), none = $('[data-none]'), late = $('#late');
  let last = stream.dataset.after, source, paused = false, over = false, calm = 0, fresh = 0, merged = 0;
  const held = new Map();  // id -> the newest element of a row that waits while paused
  let heldMore = 0;

  const show = (word, kind = '') => { state.textContent = word; state.className = 'state' + kind; };
  const line = (box, from) => { box.hidden = false; box.replaceChildren(...from.childNodes); };

  function put(row) {
    const there = document.getElementById(row.id);
    if (there?.getAttribute('aria-current')) row.setAttribute('aria-current', 'true');
    const focused = there && there === document.activeElement;
    if (there) there.replaceWith(row); else $('.head', stream).after(row);
    if (focused) row.focus({ preventScroll: true });
    if ($('.duo', row)?.dataset.door === 'both') merged++; else fresh++;
    none.hidden = true;
  }
  function trim() { $$('.ev:not(.head)', stream).slice(MOST_ROWS).forEach(e => e.remove()); }
  function word() { $('span', pause).textContent = paused ? 'Resume' + (held.size ? ` (${held.size}${heldMore ? '+' : ''})` : '') : 'Pause'; }

  function take(text) {
    const part = document.createElement('template');
    part.innerHTML = text;
    const news = part.content, more = $('[data-flood]', news), away = $('[data-away]', news), gap = $('[data-missed]', news);
    const behind = $('[data-behind]', news);
    if (behind) count.textContent = behind.dataset.behind;
    if (gap) line(missed, gap);
    if (away) { show('Store away', ' late'); line(missed, away); return; }
    if (!paused) show('Live');
    if (more && !paused) { line(flood, more); clearTimeout(calm); calm = setTimeout(() => flood.hidden = true, 3000); }
    for (const mark of $$('[data-gone]', news)) { document.getElementById(mark.dataset.gone)?.remove(); held.delete(mark.dataset.gone); }
    const rows = $$('.ev', news);
    // In a burst there would always be rows that are half there.
    if (rows.length > 3) rows.forEach(row => row.classList.remove('is-new'));
    for (const row of rows) {
      if (!paused) { put(row); continue; }
      held.delete(row.id); held.set(row.id, row);
      if (held.size > MOST_HELD) { held.delete(held.keys().next().value); heldMore++; }
    }
    if (paused) word(); else trim();
  }

  function listen() {
    const address = new URL(live.dataset.live, location);
    for (const name of ['code', 'event', 'door', 'page']) { const v = new URLSearchParams(location.search).get(name); if (v) address.searchParams.set(name, v); }
    if (last) address.searchParams.set('after', last);
    source = new EventSource(address);
    source.onopen = () => { if (!paused) show('Live'); late.hidden = true; };
    source.addEventListener('rows', e => { if (e.lastEventId) last = e.lastEventId; take(e.data); });
    source.addEventListener('end', e => { over = true; source.close(); show('Ended', ' off'); missed.hidden = false; missed.textContent = e.data; });
    // The browser comes back by itself, with the last id; where the answer was no stream, this does.
    source.onerror = () => {
      if (over) return;
      show('Connecting again', ' late');
      late.hidden = false;
      if (source.readyState === EventSource.CLOSED) { source.close(); setTimeout(listen, 3000); }
    };
  }

  pause.onclick = () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', paused);
    if (!paused) {
      held.forEach(put); trim();
      if (heldMore) { missed.hidden = false; missed.textContent = `While this page was paused more than ${MOST_HELD} rows came; the newest are shown.`; }
      held.clear(); heldMore = 0;
    }
    show(paused ? 'Paused' : 'Live', paused ? ' off' : '');
    word();
  };
  $('[data-clear]').onclick = () => {
    $$('.ev:not(.head)', stream).forEach(e => e.remove()); held.clear(); heldMore = 0;
    missed.hidden = flood.hidden = true; none.hidden = false; none.firstElementChild.textContent = 'Cleared. What comes next shows here.';
    word(); say.textContent = 'Cleared';
  };

  // a click fills the drawer where there is one beside; with a modifier key, or on a phone, the row is a link
  stream.addEventListener('click', e => {
    const row = e.target.closest('a.ev');
    if (!row || !WIDE.matches || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey || !window.htmx) return;
    e.preventDefault();
    $$('[aria-current]', stream).forEach(r => r.removeAttribute('aria-current'));
    row.setAttribute('aria-current', 'true');
    const address = new URL(row.href);
    history.replaceState(null, '', address);
    address.searchParams.set('part', 'action');
    htmx.ajax('GET', address.pathname + address.search, { target: '#drawer', swap: 'outerHTML' }).then(() => { say.textContent = 'Payload of ' + $('.name b', row).textContent; });
  });

  setInterval(() => { if (fresh + merged) say.textContent = `${fresh} new, ${merged} merged`; fresh = merged = 0; }, 10000);
  addEventListener('pagehide', () => source.close());
  addEventListener('pageshow', e => { if (e.persisted && !over) listen(); });
  listen();
})();
