// Points can be moved by button, by keyboard and by dragging. Everything rests in the fields “Place”, which also work
// by hand and without this script.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const group = document.getElementById("points-group");
  if (!group) return;
  const status = document.createElement("p");
  status.className = "kb-hide";
  status.setAttribute("role", "status");
  group.append(status);

  const points = () => [...group.querySelectorAll(".inline-related:not(.empty-form)")];
  const place = (point) => point.querySelector("input[name$='-position']");

  const number = () => points().forEach((point, index) => {
    if (place(point)) place(point).value = index + 1;
  });

  const move = (point, before, focus) => {
    if (before === point || before === point.nextElementSibling) return;
    point.parentNode.insertBefore(point, before);
    number();
    status.textContent = `Now at place ${points().indexOf(point) + 1} of ${points().length}. Save to keep it.`;
    if (focus) focus.focus();
  };

  const step = (point, by, button) => {
    const all = points(), target = all[all.indexOf(point) + by];
    if (target) move(point, by < 0 ? target : target.nextElementSibling, button);
  };

  const button = (label, symbol, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "kb-move";
    made.textContent = symbol;
    made.title = label;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", () => act(made));
    return made;
  };

  let dragged = null;
  const equip = (point) => {
    const heading = point.querySelector("h3");
    if (!place(point) || heading.querySelector(".kb-move")) return;
    const handle = document.createElement("span");
    handle.className = "kb-handle";
    handle.textContent = "⠿";
    handle.title = "Drag to move";
    handle.setAttribute("aria-hidden", "true");
    handle.addEventListener("pointerdown", () => { point.draggable = true; });
    handle.addEventListener("pointerup", () => { point.draggable = false; });
    point.addEventListener("dragstart", (event) => {
      if (!point.draggable || event.target !== point) return;
      dragged = point;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", "");
      point.classList.add("kb-dragged");
    });
    point.addEventListener("dragend", () => {
      point.draggable = false;
      point.classList.remove("kb-dragged");
      dragged = null;
    });
    point.addEventListener("dragover", (event) => {
      if (!dragged || dragged === point) return;
      event.preventDefault();
      const box = point.getBoundingClientRect();
      move(dragged, event.clientY < box.top + box.height / 2 ? point : point.nextElementSibling);
    });
    heading.prepend(
      handle,
      button("Move this point up", "↑", (made) => step(point, -1, made)),
      button("Move this point down", "↓", (made) => step(point, 1, made)),
    );
  };

  // The boxes that Django's autocomplete puts in place of a select do not take over its label.
  const name = () => document.querySelectorAll(".select2-container").forEach((box) => {
    const select = box.previousElementSibling;
    const label = select && select.id && document.querySelector(`label[for="${select.id}"]`);
    if (!label) return;
    box.querySelectorAll("[role=combobox], [role=textbox], [role=searchbox]").forEach((part) => {
      part.removeAttribute("aria-labelledby");
      part.setAttribute("aria-label", label.textContent.replace(/:\s*$/, ""));
    });
  });

  points().forEach(equip);
  window.addEventListener("load", () => setTimeout(name));
  document.addEventListener("formset:added", (event) => {
    if (event.target.matches(".inline-related") && group.contains(event.target)) equip(event.target);
    setTimeout(name);
  });
});
