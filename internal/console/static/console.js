// What the pages cannot do without a script: keys, copying, and the live list. Nothing here is needed to read them.
"use strict";
(() => {
  const typing = () => /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName || "");
  const rows = () => [...document.querySelectorAll(".list tbody tr")];
  let here = -1, wantsPage = 0;
  const pages = { n: "/console/", g: "/console/groups", i: "/console/incidents", c: "/console/changes", l: "/console/live" };

  function move(by) {
    const all = rows();
    if (!all.length) return;
    all[here]?.classList.remove("here");
    here = Math.min(Math.max(here + by, 0), all.length - 1);
    all[here].classList.add("here");
    all[here].scrollIntoView({ block: "nearest" });
    all[here].querySelector("a")?.focus({ preventScroll: true });
  }

  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (typing()) {
      if (e.key === "Escape") document.activeElement.blur();
      return;
    }
    if (wantsPage && Date.now() - wantsPage < 1500 && pages[e.key]) {
      location.href = pages[e.key];
      return;
    }
    wantsPage = e.key === "g" ? Date.now() : 0;
    if (e.key === "j") move(1);
    else if (e.key === "k") move(-1);
    else if (e.key === "/" || e.key === "?") {
      e.preventDefault();
      document.querySelector(".find input").focus();
    }
  });

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(text.value);
      } catch {
        text.closest("details").open = true;
        text.select();
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  const state = document.getElementById("live-state");
  const refresh = Number(document.body.dataset.refresh);
  if (refresh && !state) {
    setInterval(() => {
      if (!document.hidden && !typing() && here < 0 && !getSelection().toString()) location.reload();
    }, refresh * 1000);
  }
  if (!state) return;

  // The live list. What is written into it is text, never markup.
  const shown = 200;
  const body = document.getElementById("rows");
  const known = new Set([...body.querySelectorAll("a")].map((a) => a.getAttribute("href")));
  const pause = document.getElementById("pause");
  let paused = false, waiting = [];
  pause.hidden = false;

  const make = (tag, cls, text) => {
    const e = document.createElement(tag);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const colour = (i) => i.saved ? "saved" : i.late ? "late" : i.status === 499 ? "left" : i.status >= 500 ? "bad" : "refused";

  function row(i) {
    const tr = make("tr", "new");
    const when = make("td", "when");
    const time = make("time", "", i.time.slice(5, 10) + " " + i.time.slice(11, 19));
    time.dateTime = i.time;
    when.append(time);
    const status = make("td");
    status.append(make("span", "status " + colour(i), i.status));
    const what = make("td", "what");
    const a = make("a", "", i.title);
    a.href = "/console/incidents/" + encodeURIComponent(i.id);
    what.append(a, " ");
    if (i.saved) what.append(make("span", "tag saved", "saved by a retry"));
    else if (i.late) what.append(make("span", "tag late", "cut short"));
    what.append(make("br"), make("span", "dim", i.cause + (i.pool ? " · " + i.pool : "")));
    const request = make("td", "request");
    request.append(make("span", "mono", (i.method || "") + " " + (i.path || "")), make("br"), make("span", "dim", i.host || ""));
    tr.append(when, status, what, request, make("td", "wide mono dim", i.endpoint || ""));
    return tr;
  }

  function add(i) {
    const href = "/console/incidents/" + encodeURIComponent(i.id);
    if (known.has(href)) return;
    known.add(href);
    document.getElementById("live-empty")?.remove();
    body.prepend(row(i));
    while (body.children.length > shown) body.lastElementChild.remove();
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused) waiting.splice(0).forEach(add);
  });

  const q = new URLSearchParams({ pool: state.dataset.pool, cause: state.dataset.cause });
  const source = new EventSource("/console/live/stream?" + q);
  source.onopen = () => { state.textContent = "connected"; state.className = "tag saved"; };
  source.onerror = () => { state.textContent = "connecting again"; state.className = "tag late"; };
  source.onmessage = (e) => {
    const i = JSON.parse(e.data);
    if (!paused) add(i);
    else if (waiting.length < shown) waiting.push(i);
  };
})();
