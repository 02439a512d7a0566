/* <ragstone-feedback>, version 1: what a reader thinks of an answer. Ragstone, Apache-2.0. docs/feedback.md */
(() => {
  "use strict";

  const src = document.currentScript ? document.currentScript.src : "";
  const API = src ? src.replace(/(\/v1)?\/widget\/v1\/[^/]*$/, "/v1") : "/v1";
  const TIMEOUT_MS = 15000;

  const REASONS = ["wrong", "outdated", "missing", "not_in_sources", "bad_citation", "unclear", "too_long", "unsafe", "other"];
  const NAMES = ["rate", "up", "down", "why", "comment", "better", "send", "close", "saved", "removed",
    "offline", "failed", "often", "expired", "refused", "long", "sources", "fits", "misfits", ...REASONS];
  const TEXTS = {
    en: ["Rate this answer", "Good answer", "Bad answer", "What is wrong? (optional)", "Comment", "Better answer", "Send", "Close",
      "Thank you. Saved.", "Taken back.", "You are offline; not saved.", "Not saved. Please try again.",
      "Changed too often; not saved.", "Feedback on this answer has closed. Reload the page.",
      "This page may not send feedback.", "The text is too long; not saved.",
      "Rate the sources", "Good source", "Bad source",
      "Wrong", "Outdated", "Something is missing", "Not in the sources", "Source does not fit", "Unclear", "Too long", "Unsafe", "Something else"],
    de: ["Diese Antwort bewerten", "Gute Antwort", "Schlechte Antwort", "Was stimmt nicht? (freiwillig)", "Kommentar", "Bessere Antwort",
      "Senden", "Schließen", "Danke. Gespeichert.", "Zurückgenommen.", "Sie sind offline; nicht gespeichert.",
      "Nicht gespeichert. Bitte noch einmal versuchen.", "Zu oft geändert; nicht gespeichert.",
      "Diese Antwort kann nicht mehr bewertet werden. Laden Sie die Seite neu.", "Diese Seite darf keine Bewertungen senden.",
      "Der Text ist zu lang; nicht gespeichert.",
      "Die Quellen bewerten", "Gute Quelle", "Schlechte Quelle",
      "Falsch", "Veraltet", "Es fehlt etwas", "Steht nicht in den Quellen", "Quelle passt nicht", "Unklar", "Zu lang", "Bedenklich", "Etwas anderes"],
    fr: ["Évaluer cette réponse", "Bonne réponse", "Mauvaise réponse", "Qu’est-ce qui ne va pas ? (facultatif)", "Commentaire",
      "Meilleure réponse", "Envoyer", "Fermer", "Merci. Enregistré.", "Retiré.", "Vous êtes hors ligne ; non enregistré.",
      "Non enregistré. Veuillez réessayer.", "Modifié trop souvent ; non enregistré.",
      "Cette réponse ne peut plus être évaluée. Rechargez la page.", "Cette page ne peut pas envoyer d’avis.",
      "Le texte est trop long ; non enregistré.",
      "Évaluer les sources", "Bonne source", "Mauvaise source",
      "Faux", "Dépassé", "Incomplet", "Absent des sources", "Source inadaptée", "Peu clair", "Trop long", "Inapproprié", "Autre chose"],
    es: ["Valorar esta respuesta", "Buena respuesta", "Mala respuesta", "¿Qué está mal? (opcional)", "Comentario", "Mejor respuesta",
      "Enviar", "Cerrar", "Gracias. Guardado.", "Retirado.", "Sin conexión; no se guardó.", "No se guardó. Inténtelo de nuevo.",
      "Cambiado demasiadas veces; no se guardó.", "Esta respuesta ya no se puede valorar. Recargue la página.",
      "Esta página no puede enviar valoraciones.", "El texto es demasiado largo; no se guardó.",
      "Valorar las fuentes", "Buena fuente", "Mala fuente",
      "Incorrecto", "Obsoleto", "Falta algo", "No está en las fuentes", "La fuente no corresponde", "Poco claro", "Demasiado largo", "Inseguro", "Otra cosa"],
    ar: ["قيّم هذه الإجابة", "إجابة جيدة", "إجابة سيئة", "ما الخطأ؟ (اختياري)", "تعليق", "إجابة أفضل", "إرسال", "إغلاق",
      "شكرًا. تم الحفظ.", "تم السحب.", "أنت غير متصل؛ لم يُحفظ.", "لم يُحفظ. حاول مرة أخرى.", "تغيّر مرات كثيرة؛ لم يُحفظ.",
      "لم يعد تقييم هذه الإجابة ممكنًا. أعد تحميل الصفحة.", "لا يجوز لهذه الصفحة إرسال تقييم.", "النص طويل جدًا؛ لم يُحفظ.",
      "قيّم المصادر", "مصدر جيد", "مصدر سيئ",
      "خاطئة", "قديمة", "ينقصها شيء", "ليست في المصادر", "المصدر غير مناسب", "غير واضحة", "طويلة جدًا", "غير آمنة", "شيء آخر"],
  };
  const FAILURES = { 401: "expired", 403: "refused", 404: "expired", 413: "long", 429: "often" };

  const DARK = `--fg:#e5e7eb;--bg:#111827;--line:#9ca3af;--accent:#93c5fd;--on-accent:#0b1220;--bad:#fca5a5;color-scheme:dark`;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
:host{--fg:#1f2937;--bg:#fff;--line:#6b7280;--accent:#1d4ed8;--on-accent:#fff;--bad:#b91c1c;color-scheme:light;display:inline-block;max-width:100%}
:host([hidden]),[hidden]{display:none!important}
@media (prefers-color-scheme:dark){:host(:not([theme=light])){${DARK}}}
:host([theme=dark]){${DARK}}
.all{box-sizing:border-box;max-width:30rem;padding:.25rem;font:var(--ragstone-feedback-font,.875rem/1.4 system-ui,sans-serif);
color:var(--ragstone-feedback-color,var(--fg));background:var(--ragstone-feedback-background,var(--bg));border-radius:var(--ragstone-feedback-radius,.5rem)}
.row{display:flex;align-items:center;gap:.25rem;flex-wrap:wrap;padding:.125rem 0}
button{font:inherit;color:inherit;background:none;border:1px solid transparent;border-radius:.375rem;min-width:2rem;min-height:2rem;padding:.25rem;cursor:pointer}
button:hover,.text{border-color:var(--ragstone-feedback-border,var(--line))}
:focus-visible{outline:2px solid var(--ragstone-feedback-accent,var(--accent));outline-offset:2px}
.thumb{display:inline-grid;place-items:center}
svg{width:1.25rem;height:1.25rem;fill:none;stroke:currentColor;stroke-width:1.75;stroke-linejoin:round}
.down svg{transform:rotate(180deg)}
[aria-pressed=true]{color:var(--ragstone-feedback-accent,var(--accent));border-color:currentColor}
[aria-pressed=true] svg{fill:currentColor}
form{margin:.5rem .25rem .25rem;display:grid;gap:.5rem}
fieldset{border:0;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.25rem 1rem}
legend{padding:0;margin-bottom:.25rem;font-weight:600}
label{display:inline-flex;align-items:center;gap:.375rem;min-height:1.5rem}
label.field{display:grid;gap:.125rem}
input{width:1rem;height:1rem;margin:0;accent-color:var(--ragstone-feedback-accent,var(--accent))}
textarea{font:inherit;color:inherit;background:transparent;border:1px solid var(--ragstone-feedback-border,var(--line));border-radius:.375rem;padding:.375rem;min-height:3.5rem;resize:vertical;width:100%;box-sizing:border-box}
.text{padding:.25rem .75rem}
.send{background:var(--ragstone-feedback-accent,var(--accent));color:var(--ragstone-feedback-on-accent,var(--on-accent));border-color:transparent}
.status:empty{display:none}
.bad{color:var(--ragstone-feedback-error,var(--bad))}`);

  const SVG = "http://www.w3.org/2000/svg";
  const make = (tag, fields = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(fields)) {
      if (typeof value === "function") node.addEventListener(name, value);
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  };
  const thumb = (way, label, click) => make("button", { type: "button", class: `thumb ${way}`, "aria-label": label, title: label, click }, drawn());
  const drawn = () => {
    const icon = document.createElementNS(SVG, "svg");
    const path = document.createElementNS(SVG, "path");
    icon.setAttribute("viewBox", "0 0 24 24");
    icon.setAttribute("aria-hidden", "true");
    path.setAttribute("d", "M7 10.5 11 3a2.4 2.4 0 0 1 2.4 2.8L12.9 9.5H18.8a2 2 0 0 1 2 2.3l-1.1 7A2 2 0 0 1 17.7 20.5H7ZM7 10.5H3.5V20.5H7Z");
    icon.append(path);
    return icon;
  };

  class RagstoneFeedback extends HTMLElement {
    static observedAttributes = ["rating", "lang"];
    #work = Promise.resolve();
    #kept; #last;
    #said = {}; #cited = {}; // what was kept beside the rating: of the form, and of each chunk
    #texts = {};
    #up; #down; #form; #status; #sources;

    constructor() {
      super();
      this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
    }

    connectedCallback() {
      if (!this.#form) this.#draw();
    }

    attributeChangedCallback(name) {
      if (!this.#form) return;
      if (name === "lang") this.#draw();
      else this.#press();
    }

    #language() {
      const near = this.closest("[lang]");
      for (const tag of [near && near.lang, ...navigator.languages]) {
        const language = (tag || "").slice(0, 2).toLowerCase();
        if (TEXTS[language]) return language;
      }
      return "en";
    }

    #draw() {
      const language = this.#language();
      const texts = (this.#texts = Object.fromEntries(NAMES.map((name, place) => [name, TEXTS[language][place]])));
      const button = (rating) => thumb(rating, texts[rating], () => this.#choose(rating));
      const field = (name, label, most) => make("label", { class: "field" }, label, make("textarea", { name, maxlength: most, rows: 2, dir: "auto" }));
      this.#up = button("up");
      this.#down = button("down");
      this.#status = make("span", { class: "status", role: "status" });
      this.#form = make("form", {
        hidden: "", "aria-label": texts.why, submit: (event) => this.#submit(event),
        keydown: (event) => event.key === "Escape" && (event.stopPropagation(), this.#close()),
      },
        make("fieldset", {}, make("legend", {}, texts.why),
          ...REASONS.map((name) => make("label", {}, make("input", { type: "checkbox", name: "reasons", value: name }), texts[name]))),
        field("comment", texts.comment, 4000),
        field("corrected_answer", texts.better, 8000),
        make("div", { class: "row" }, make("button", { class: "text send" }, texts.send),
          make("button", { type: "button", class: "text", click: () => this.#close() }, texts.close)));
      const row = make("div", { class: "row", role: "group", "aria-label": texts.rate }, this.#up, this.#down, this.#status);
      this.#sources = make("div", { role: "group", "aria-label": texts.sources });
      this.shadowRoot.replaceChildren(
        make("div", { class: "all", lang: language, dir: language === "ar" ? "rtl" : "ltr" }, row, this.#sources, this.#form));
      this.#press();
    }

    #press() {
      const rating = this.getAttribute("rating");
      this.#up.setAttribute("aria-pressed", rating === "up");
      this.#down.setAttribute("aria-pressed", rating === "down");
      if (rating && !this.#sources.firstChild) this.#sources.append(...this.#cites());
      this.#sources.hidden = !rating || !this.#sources.firstChild;
    }

    /* A row for each chunk that is cited; they show once there is a rating, which is sent with theirs. */
    #cites() {
      const labels = {};
      for (const { marker, chunk_id, name } of this.citations || [])
        labels[chunk_id] = labels[chunk_id] ? labels[chunk_id].replace(" ", `[${marker}] `) : `[${marker}] ${name}`;
      return Object.entries(labels).map(([chunk, label]) => {
        const press = () => {
          good.setAttribute("aria-pressed", this.#cited[chunk] === 1);
          bad.setAttribute("aria-pressed", this.#cited[chunk] === -1);
        };
        const judge = async (value) => {
          const before = this.#cited[chunk];
          const wanted = (this.#cited[chunk] = before === value ? 0 : value);
          press();
          if ((await this.#send({ ...this.#said, rating: this.getAttribute("rating") })) || this.#cited[chunk] !== wanted) return;
          this.#cited[chunk] = before;
          press();
        };
        const good = thumb("up", `${this.#texts.fits}: ${label}`, () => judge(1));
        const bad = thumb("down", `${this.#texts.misfits}: ${label}`, () => judge(-1));
        press();
        return make("div", { class: "row" }, make("span", { dir: "auto" }, label), good, bad);
      });
    }

    #show(rating) {
      if (rating) this.setAttribute("rating", rating);
      else this.removeAttribute("rating");
    }

    #close() {
      this.#form.hidden = true;
      this.#down.focus();
    }

    async #choose(chosen) {
      const before = this.getAttribute("rating");
      const rating = before === chosen ? null : chosen;
      if (!this.#last) this.#kept = before; // until somebody clicks, the page says what was kept
      const last = (this.#last = {});
      this.#show(rating);
      this.#form.hidden = rating !== "down";
      if (rating === "down") this.#form.querySelector("input").focus();
      if (await this.#send(rating && { rating })) {
        this.#kept = rating;
        this.#said = {};
        if (!rating) {
          this.#cited = {};
          this.#sources.replaceChildren();
        }
      } else if (this.#last === last) {
        this.#show(this.#kept);
        if (!this.#form.hidden) this.#close();
      }
    }

    async #submit(event) {
      event.preventDefault();
      const given = new FormData(this.#form);
      const body = { rating: "down", reasons: given.getAll("reasons") };
      for (const name of ["comment", "corrected_answer"]) {
        const text = given.get(name).trim();
        if (text) body[name] = text;
      }
      if (!(await this.#send(body))) return;
      this.#said = body;
      this.#kept = "down";
      this.#show("down");
      this.#close();
    }

    /* Resolves to whether it was kept; *body* null takes it back. One request at a time, so that the last click counts. */
    #send(body) {
      if (body && Object.keys(this.#cited).length) body = { ...body, citations: { ...this.#cited } };
      const detail = { rating: body ? body.rating : null, body };
      const asked = new CustomEvent("ragstone-feedback", { bubbles: true, composed: true, cancelable: true, detail });
      if (!this.dispatchEvent(asked)) return Promise.resolve(true);
      this.#work = this.#work.then(() => this.#request(detail.body));
      return this.#work;
    }

    async #request(body) {
      let failure;
      try {
        let answer = await this.#fetch(body, await this.#token());
        if (answer.status === 401 && this.getToken) answer = await this.#fetch(body, await this.#token(true));
        failure = answer.ok ? "" : FAILURES[answer.status] || "failed";
      } catch {
        failure = navigator.onLine ? "failed" : "offline";
      }
      this.#status.textContent = this.#texts[failure || (body ? "saved" : "removed")];
      this.#status.className = failure ? "status bad" : "status";
      return !failure;
    }

    async #token(anew) {
      const given = this.token || this.getAttribute("token");
      if (this.getToken && (anew || !given)) this.token = await this.getToken();
      return this.token || given;
    }

    async #fetch(body, token) {
      const answer = await fetch(`${this.getAttribute("api") || API}/public/feedback`, {
        method: body ? "PUT" : "DELETE",
        headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) },
        body: body && JSON.stringify(body),
        credentials: "omit",
        referrerPolicy: "no-referrer",
        keepalive: true,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await answer.text(); // or it would count as unfinished, and be aborted
      return answer;
    }
  }

  if (!customElements.get("ragstone-feedback")) customElements.define("ragstone-feedback", RagstoneFeedback);
})();
