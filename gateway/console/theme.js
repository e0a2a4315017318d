// Runs before the page is painted, so that a chosen theme does not flash; everything else is in modules.
(({ dataset }) => {
  try {
    dataset.theme = localStorage.getItem("lipstream.theme") ?? "auto";
  } catch {
    dataset.theme = "auto";
  }
  // What the modules and the style sheets need at least.
  if (!Promise.withResolvers || !CSS.supports("color", "light-dark(#000, #fff)")) dataset.unmet = "";
})(document.documentElement);
