// The manager's pages work without this file; it adds themes, copying, tabs, sorting, keys and walking along charts.
(() => {
  const $ = (s, r = document) => r.querySelector(s), $$ = (s, r = document) => [...r.querySelectorAll(s)];
  const say = t => { const e = $('#say'); if (e) e.textContent = t; };
  const store = { get(k) { try { return localStorage.getItem(k); } catch { return null; } }, set(k, v) { try { localStorage.setItem(k, v); } catch { /* private mode */ } } };
  const cookie = k => document.cookie.split('; ').find(c => c.startsWith(k + '='))?.slice(k.length + 1);

  // theme: auto, light, dark. In a cookie, so that the server draws the page in it from the first moment
  const root = document.documentElement, modes = ['auto', 'light', 'dark'], theme = () => root.dataset.theme || 'auto';
  const showTheme = () => $$('[data-theme-next] span').forEach(s => s.textContent = theme()[0].toUpperCase() + theme().slice(1));
  $$('[data-theme-next]').forEach(b => b.onclick = () => {
    const m = modes[(modes.indexOf(theme()) + 1) % 3];
    m === 'auto' ? delete root.dataset.theme : root.dataset.theme = m;
    document.cookie = `truecount-theme=${m}; path=/; max-age=${m === 'auto' ? 0 : 31536000}; samesite=lax`;
    showTheme(); say('Theme: ' + m);
  });
  if (!root.dataset.theme && modes.includes(cookie('truecount-theme'))) root.dataset.theme = cookie('truecount-theme');
  showTheme();

  // one listener for what may also come later, in parts that htmx puts in
  addEventListener('click', async e => {
    const b = e.target.closest('[data-copy]');
    if (b) {
      const text = $('pre', b.closest('.code')).textContent, word = b.lastElementChild;
      b.dataset.word ??= word.textContent;
      try { await navigator.clipboard.writeText(text); word.textContent = 'Copied'; say('Copied'); } catch { word.textContent = 'Select and copy'; getSelection().selectAllChildren($('pre', b.closest('.code'))); }
      setTimeout(() => word.textContent = b.dataset.word, 2000);
    }
    const link = e.target.closest('[data-copy-link]');
    if (link && navigator.clipboard) { e.preventDefault(); navigator.clipboard.writeText(location.href).then(() => say('Link copied')); }
    $$('[data-menu][open]').forEach(m => { if (!m.contains(e.target)) m.open = false; });
  });
  addEventListener('change', e => { const id = e.target.dataset?.show; if (id) document.getElementById(id).type = e.target.checked ? 'text' : 'password'; });
  addEventListener('change', e => { if (e.target.matches?.('[data-submits]')) e.target.form.requestSubmit(); });
  // a part that cannot renew itself says so: its numbers are no longer those of now
  const late = yes => { const box = $('#late'); if (box) box.hidden = !yes; };
  for (const kind of ['sendError', 'responseError', 'timeout']) addEventListener('htmx:' + kind, e => {
    const xhr = e.detail.xhr, status = xhr?.status || 0;
    if (!e.target.hasAttribute?.('hx-trigger')) failed(e.target, status ? xhr.responseText : '', xhr?.getResponseHeader('content-type') || '');
    else if (!status || status >= 500) late(true);
  });
  // a form that was sent says what went wrong where its answer would stand: the server's sentence, where it gave one
  function failed(from, text, type) {
    const form = from.closest?.('form'), told = form && ($('[data-told]', form.parentElement) || form.appendChild(document.createElement('div')));
    if (!told) return;
    const box = document.createElement('div'), sign = document.createElement('span'), words = document.createElement('p');
    box.className = 'problem'; sign.className = 'sev fix'; sign.ariaHidden = 'true'; sign.textContent = '!';
    words.textContent = type.startsWith('text/plain') && text.trim() || 'The server did not answer this. Try again in a moment; if it stays so, look at what truecount serve said last.';
    box.setAttribute('role', 'alert'); box.append(sign, words); told.dataset.told = ''; told.replaceChildren(box);
  }
  addEventListener('htmx:beforeSwap', e => { if (e.target.hasAttribute?.('hx-trigger') && e.detail.xhr.status < 400) late(false); });
  // a part that renews itself waits while somebody reads in it by keyboard or has opened something, and while nobody looks.
  // It is told by a stream, every ten seconds at least and not while the page is hidden; where none comes through, it asks by itself
  let told = null, newest = '', heard = -1e9;
  const waits = part => document.hidden || part.contains(document.activeElement) || $('details[open]', part);
  addEventListener('htmx:beforeRequest', e => { if (e.target.id === 'live' && (performance.now() - heard < 15000 || waits(e.target))) e.preventDefault(); });
  const renew = () => { const part = $('#live'); if (newest && part && !waits(part)) { const html = newest; newest = ''; htmx.swap(part, html, { swapStyle: 'outerHTML' }); } };
  function listen() {
    const from = $('#live[data-renews]')?.dataset.renews;
    if (told || !from || document.hidden || !window.htmx) return;
    told = new EventSource(from);
    told.addEventListener('live', e => { heard = performance.now(); newest = e.data; late(false); renew(); });
    told.addEventListener('error', () => { heard = -1e9; });
    told.addEventListener('end', () => { heard = -1e9; told.close(); });
  }
  const deafen = () => { told?.close(); told = null; newest = ''; heard = -1e9; };
  addEventListener('visibilitychange', () => document.hidden ? deafen() : listen());
  addEventListener('pagehide', deafen);
  addEventListener('pageshow', e => { if (e.persisted) listen(); });
  addEventListener('focusout', () => setTimeout(renew));
  addEventListener('keydown', e => { if (e.key === 'Escape') $$('[data-menu][open]').forEach(m => { m.open = false; $('summary', m).focus(); }); });

  const val = c => { const t = c.dataset.v ?? c.textContent.trim(), n = parseFloat(t.replace(/[^\d.-]/g, '')); return /^[^\p{L}]*[\d-]/u.test(t) && !isNaN(n) ? n : t.toLowerCase(); };
  function wake(part) {
    // what does nothing without a script shows itself now, what stands in for one goes
    $$('[data-js]', part).forEach(e => e.hidden = false);
    $$('[data-no-js]', part).forEach(e => e.hidden = true);

    // tabs with arrow keys; without a script their panels stand below each other
    $$('[data-tabs]', part).forEach(list => {
      const tabs = $$('[role=tab]', list), panel = t => document.getElementById(t.getAttribute('aria-controls'));
      const pick = t => tabs.forEach(x => { const on = x === t; x.setAttribute('aria-selected', on); x.tabIndex = on ? 0 : -1; panel(x).hidden = !on; });
      tabs.forEach((t, i) => {
        panel(t).setAttribute('role', 'tabpanel');
        t.onclick = () => pick(t);
        t.onkeydown = e => { const d = { ArrowRight: 1, ArrowLeft: -1 }[e.key]; if (d) { const n = tabs[(i + d + tabs.length) % tabs.length]; pick(n); n.focus(); } };
      });
      list.hidden = false;
      pick(tabs[0]);
    });

    // sort the rows that are there: numbers by value, words by locale; ?sort= lets the server sort all
    $$('[data-sortable]', part).forEach(t => $$('.sort', t).forEach(b => b.onclick = () => {
      const th = b.closest('th'), i = [...th.parentNode.children].indexOf(th), down = th.getAttribute('aria-sort') !== 'descending';
      $$('th', t.tHead).forEach(x => x.removeAttribute('aria-sort')); th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const body = t.tBodies[0];
      [...body.rows].map(r => [val(r.cells[i]), r]).sort(([a], [b]) => (typeof a === typeof b ? (a > b) - (a < b) : typeof a === 'number' ? 1 : -1) * (down ? -1 : 1)).forEach(([, r]) => body.append(r));
      say('Sorted by ' + b.textContent + (down ? ', largest first' : ', smallest first'));
    }));

    // charts: one tab stop, arrows walk the bars, the readout says what a pointer would show
    $$('[data-chart]', part).forEach(svg => {
      const bars = $$('a', svg), out = $('[data-readout]', svg.closest('.chart'));
      const read = a => out && (out.textContent = a.getAttribute('aria-label'));
      bars.forEach((a, i) => {
        a.addEventListener('pointerenter', () => read(a)); a.addEventListener('focus', () => read(a));
        a.addEventListener('keydown', e => { const d = { ArrowRight: 1, ArrowLeft: -1, Home: -i, End: bars.length - 1 - i }[e.key]; const n = d !== undefined && bars[i + d]; if (n) { e.preventDefault(); a.setAttribute('tabindex', -1); n.setAttribute('tabindex', 0); n.focus(); } });
      });
    });
  }
  wake(document);
  listen();
  addEventListener('htmx:load', e => { if (e.target !== document.body) wake(e.target); });

  // the checklist: what is ticked is said, once
  let done = $('.check[data-done]')?.dataset.done;
  addEventListener('htmx:afterSettle', () => {
    const list = $('.check[data-done]');
    if (list && done !== undefined && list.dataset.done > done) say($$('.done b', list).at(-1)?.textContent.trim() + ': done');
    done = list?.dataset.done ?? done;
  });

  // what a person is known by is hashed here: its fields have no name, and send nothing as it is typed
  const hex = async t => [...new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(t)))].map(b => b.toString(16).padStart(2, '0')).join('');
  $$('form[data-hashes]').forEach(form => {
    const typed = $$('[data-hash]', form), hidden = f => form.elements[f.dataset.hash];
    if (globalThis.crypto?.subtle) {
      typed.forEach(f => f.disabled = false);
      $$('[data-hash-hint]', form).forEach(h => h.textContent = 'Hashed in this page: the server is sent its SHA-256 alone.');
    }
    form.onsubmit = async e => {
      e.preventDefault();
      for (const f of typed) if (f.value.trim()) hidden(f).value = await hex(f.dataset.hash === 'em' ? f.value.trim().toLowerCase() : f.value.trim());
      const empty = [...form.elements].filter(f => f.name && !f.value);
      empty.forEach(f => f.disabled = true);
      form.submit();
      typed.forEach(f => { if (f.value) hidden(f).value = ''; });
      setTimeout(() => empty.forEach(f => f.disabled = false));
    };
  });

  // an e-mail address in the box of ids is hashed too: as ids that are kept have it, and as match keys do
  $$('form.find').forEach(form => form.addEventListener('submit', async e => {
    const typed = form.elements.q.value.trim(), found = typed.match(/\S+@\S+\.\S+/);
    if (!found) return;
    e.preventDefault();
    if (!globalThis.crypto?.subtle) { location.href = form.action.replace(/find$/, 'explain'); return; }
    const address = found[0].toLowerCase(), id = await hex('id\n' + address), em = await hex(address);
    location.href = form.action + '?' + new URLSearchParams({ q: typed.replace(found[0], () => id), em });
  }));

  // keys; can be switched off (WCAG 2.1.4)
  const dlg = $('#keys'), on = $('[data-keys-on]'); let g = 0;
  if (on) { on.checked = store.get('tc-keys') !== 'off'; on.onchange = () => store.set('tc-keys', on.checked ? 'on' : 'off'); }
  $$('[data-keys]').forEach(b => b.onclick = () => dlg.showModal());
  addEventListener('keydown', e => {
    if (e.metaKey || e.ctrlKey || e.altKey || e.target.closest?.('input,select,textarea,dialog') || (on && !on.checked)) return;
    const go = Date.now() - g < 900 && $(`[data-go="${CSS.escape(e.key)}"]`);
    if (go) { location.href = go.href; return; }
    if (e.key === 'g') g = Date.now();
    else if (e.key === '/' && $('#q')) { e.preventDefault(); $('#q').focus(); }
    else if (e.key === '?') dlg?.showModal();
    else if (e.key === 'p') $('[data-pause]')?.click();
    else if (e.key === 'j' || e.key === 'k') {
      const rows = $$('a.ev, tbody th a'), i = rows.indexOf(document.activeElement); rows[Math.max(0, i + (e.key === 'j' ? 1 : -1))]?.focus();
    }
  });

  // ages go on in place, by a clock that nobody can set: not by the number of ticks, which a page in the background loses
  let looked = performance.now();
  setInterval(() => {
    const s = Math.floor((performance.now() - looked) / 1000);
    if (s < 1) return;
    looked += s * 1000;
    $$('[data-age]').forEach(t => { const n = t.dataset.age = +t.dataset.age + s; t.textContent = n < 120 ? n + ' s' : n < 7200 ? Math.floor(n / 60) + ' min' : Math.floor(n / 3600) + ' h'; });
  }, 1000);
})();
