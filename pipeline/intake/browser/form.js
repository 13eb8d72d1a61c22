// What a form marked `data-afluente` does beyond posting by itself; docs/website-form.md says how it is used.
// Lines of comment and indentation are left out when it is served (form_script.py), so no text may span lines.
(() => {
  const data = (document.currentScript || {}).dataset || {};
  const TAGS = "utm_source utm_medium utm_campaign utm_term utm_content utm_id gclid gbraid wbraid dclid fbclid msclkid li_fat_id ttclid twclid".split(" ");
  // What stands beside `fields` in what is posted; all else are the visitor's answers.
  const OWN = "submission_id form_id form_name submitted_at page_url referrer region hp elapsed_ms".split(" ").concat(TAGS);
  const GROUPS = ["first_touch", "last_touch", "consent"];
  const FIRST = "afluente_first", LAST = "afluente_last", WAITING = "afluente_waiting_";
  const DAY = 864e5, begun = Date.now();
  const now = () => new Date().toISOString();
  const newId = () => crypto.randomUUID ? crypto.randomUUID() : now() + Math.random();

  const read = name => { try { return JSON.parse(localStorage.getItem(name)); } catch { return null; } };
  const write = (name, value) => {
    try {
      if (value) localStorage.setItem(name, JSON.stringify(value));
      else localStorage.removeItem(name);
      return true;
    } catch { return false; }
  };

  // This visit, and the first one where it may be kept. Without that nothing is read either.
  const visit = { landing_page: location.href.slice(0, 2000), referrer: document.referrer.slice(0, 2000) };
  const query = new URLSearchParams(location.search);
  for (const tag of TAGS) if (query.get(tag)) visit[tag] = query.get(tag).slice(0, 500);
  const isOwn = address => { try { return new URL(address).host === location.host; } catch { return true; } };
  const isNew = !isOwn(visit.referrer) || TAGS.some(tag => visit[tag]);
  const asked = window[data.mayStore];
  let allowed = data.mayStore === "yes" || (typeof asked === "function" && !!asked());
  const touches = () => {
    if (!allowed) return { last_touch: visit };
    let first = read(FIRST), last = read(LAST);
    if (!first || !(Date.parse(first.at) > begun - 180 * DAY)) write(FIRST, first = { ...visit, at: now() });
    if (isNew || !last) write(LAST, last = visit);
    return { first_touch: first, last_touch: last };
  };

  const forms = () => document.querySelectorAll("form[data-afluente]");
  const put = (form, name, value, isMade) => {
    let input = form.elements.namedItem(name);
    if (!input && isMade) {
      input = form.appendChild(document.createElement("input"));
      input.type = "hidden";
      input.name = name;
    }
    if (input && input.type === "hidden") input.value = value || "";
  };
  const fill = form => {
    const known = touches(), last = known.last_touch;
    const id = form.elements.namedItem("submission_id");
    put(form, "submission_id", (id && id.value) || newId(), true);
    put(form, "form_id", form.dataset.afluente || form.getAttribute("id"), true);
    put(form, "page_url", location.href, true);
    put(form, "referrer", last.referrer, true);
    for (const tag of TAGS) put(form, tag, last[tag]);
    form.querySelectorAll("[type=hidden][name*='_touch[']").forEach(input => input.remove());
    for (const touch in known) for (const key in known[touch]) put(form, `${touch}[${key}]`, known[touch][key], true);
  };

  const add = (place, name, value) => {
    place[name] = Object.keys(place).includes(name) ? [].concat(place[name], value) : value;
  };
  const bodyOf = form => {
    const body = { fields: {} };
    for (const [name, entry] of new FormData(form)) {
      const [, group, key] = /^(\w+)\[(\w+)\]$/.exec(name) || [];
      if (GROUPS.includes(group)) add(body[group] ??= {}, key, entry);
      else add(OWN.includes(name) ? body : body.fields, name.replace("[]", ""), entry.name ?? entry);
    }
    body.submitted_at = now();
    body.elapsed_ms = Date.now() - begun;
    if (body.consent) body.consent.at = body.submitted_at;
    return body;
  };

  // A submission waits in this browser until the receiver has confirmed it: ten at most, a week at most.
  const waiting = () => {
    try { return Object.keys(localStorage).filter(name => name.startsWith(WAITING)); } catch { return []; }
  };
  const keep = post => waiting().length < 10 && write(WAITING + post.id, post);
  const forget = post => write(WAITING + post.id);
  const tell = (place, post, outcome) =>
    place.dispatchEvent(new CustomEvent("afluente", { bubbles: true, detail: { outcome, submission_id: post.id } }));
  const send = async post => {
    let status = 0;
    try {
      const options = { method: "POST", body: post.body, keepalive: post.body.length < 2e4, credentials: "omit" };
      const signal = AbortSignal.timeout && AbortSignal.timeout(3e4);
      status = (await fetch(post.url, { ...options, redirect: "error", signal })).status;
    } catch { /* no network, or no answer */ }
    if (status > 199 && status < 300) return "sent";
    return !status || status === 408 || status === 429 || status > 499 ? "kept" : "refused";
  };
  let pause = 5e3, timer, isBusy;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(flush, pause);
    pause = Math.min(2 * pause, 3e5);
  };
  const flush = async () => {
    if (isBusy) return;
    isBusy = true;
    for (const name of waiting()) {
      const post = read(name);
      const outcome = !post || Date.now() - post.since > 7 * DAY ? "expired" : await send(post);
      if (outcome === "kept") { later(); break; }
      write(name);
      if (post) tell(document, post, outcome);
      pause = 5e3;
    }
    isBusy = false;
  };

  const sending = new WeakSet();
  document.addEventListener("submit", async event => {
    const form = event.target;
    if (event.defaultPrevented || !form.matches("[data-afluente]")) return;
    if (sending.has(form)) return event.preventDefault();
    fill(form);
    const body = bodyOf(form), address = form.getAttribute("action") || "";
    const post = { id: body.submission_id, since: Date.now(), url: new URL(address, document.baseURI).href };
    post.body = JSON.stringify(body);
    // Not before: should anything above fail, the form posts by itself.
    event.preventDefault();
    sending.add(form);
    const isKept = keep(post);
    let outcome = await send(post);
    if (outcome === "kept") isKept ? later() : outcome = "failed";
    else forget(post);
    if (outcome === "sent" || outcome === "kept") {
      form.reset();
      put(form, "submission_id", newId());
      fill(form);
    }
    sending.delete(form);
    for (const note of form.querySelectorAll("[data-show]")) note.hidden = note.dataset.show !== outcome;
    tell(form, post, outcome);
    if (outcome === "sent" && form.dataset.thanks) location.href = form.dataset.thanks;
  });

  // A banner says what the visitor answered: afluente.consent(true) or afluente.consent(false).
  window.afluente = {
    consent(isGiven) {
      allowed = isGiven;
      if (!isGiven) [FIRST, LAST].forEach(name => write(name));
      forms().forEach(fill);
    },
  };
  const begin = () => { touches(); forms().forEach(fill); flush(); };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin); else begin();
  addEventListener("online", flush);
})();
