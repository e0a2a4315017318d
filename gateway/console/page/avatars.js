import { mediaUrl } from "../api.js";

/**
 * The faces to choose from: radio buttons with pictures.
 * @param {HTMLFieldSetElement} group
 * @param {(name: string) => void} onChoose
 */
export function createAvatarPicker(group, onChoose) {
  group.addEventListener("change", ({ target }) => onChoose(target.value));

  function option({ name, title, has_thumbnail: hasPicture }, isChosen) {
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "avatar", value: name, checked: isChosen });
    const picture = hasPicture ? thumbnail(name) : initial(title || name);
    picture.addEventListener("error", () => picture.replaceWith(initial(title || name)));
    const label = document.createElement("label");
    const text = Object.assign(document.createElement("span"), { textContent: title || name });
    label.append(input, picture, text);
    return label;
  }

  function thumbnail(name) {
    const picture = Object.assign(new Image(), { alt: "", loading: "lazy" });
    picture.addEventListener("load", () => URL.revokeObjectURL(picture.src));
    mediaUrl(`/api/avatars/${encodeURIComponent(name)}/thumbnail.jpg`).then(
      (url) => (picture.src = url),
      () => picture.dispatchEvent(new Event("error")),
    );
    return picture;
  }

  function initial(title) {
    const mark = Object.assign(document.createElement("b"), { textContent: title[0].toUpperCase() });
    mark.setAttribute("aria-hidden", "true");
    return mark;
  }

  return {
    /** One face is no choice: then there is nothing to see. */
    show(avatars, chosen) {
      group.querySelectorAll("label").forEach((one) => one.remove());
      group.append(...avatars.map((avatar) => option(avatar, avatar.name === chosen)));
      group.hidden = avatars.length < 2;
    },
    choose: (name) => group.querySelectorAll("input").forEach((one) => (one.checked = one.value === name)),
  };
}
