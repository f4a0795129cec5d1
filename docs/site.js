// Wide tables and long lines of code scroll in boxes of their own: one gets there by the keyboard, too.
const BOXES = ".md-typeset__scrollwrap, .md-typeset pre > code";

function letThemBeReached() {
  for (const box of document.querySelectorAll(BOXES)) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

new MutationObserver(letThemBeReached).observe(document.body, { childList: true, subtree: true }); // the theme makes boxes
addEventListener("resize", letThemBeReached);
letThemBeReached();
