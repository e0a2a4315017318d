// Runs before the page is painted, so that a chosen theme does not flash; everything else is in modules.
document.documentElement.dataset.theme = localStorage.getItem("lipstream.theme") ?? "auto";
