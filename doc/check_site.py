"""Look at the built site in a browser: ``make doc-check``, after ``make doc``.

Every page: no error in the console, no link or image of the site that is missing, and
nothing cut off on a phone or a small screen. Search finds what it should. Main pages:
in the dark theme no text without contrast. Screenshots of some are left in
doc/_build/screenshots, to be looked at. Needs selenium, and Chromium with its driver
(Debian: chromium-driver).
"""

import argparse
import contextlib
import functools
import http.server
import re
import shutil
import sys
import threading
import time
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

BUILD = Path(__file__).resolve().parent / "_build"
SITE, SCREENSHOTS = BUILD / "html", BUILD / "screenshots"
PHONE, DESKTOP = (390, 844), (1280, 900)
# A ratio of 3 is that of WCAG for large text; less is dark on dark.
CONTRAST = 3.0
TRANSITION = 0.5  # seconds that colours take to change
MAIN = (
    "index.html",
    "start.html",
    "guide/index.html",
    "guide/questions.html",
    "guide/dictionary.html",
    "effects.html",
    "tuned.html",
    "theory.html",
    "coverage.html",
    "warnings/index.html",
    "warnings/WideIntervalsWarning.html",
    "auto_examples/index.html",
    "api/index.html",
    "api/generated/sklearn_nnci.MLPRegressorCI.html",
    "benchmarks/index.html",
    "benchmarks/results/study.html",
    "repository/CONTRIBUTING.html",
    "repository/CHANGELOG.html",
)
# What is searched for, and the page that has to be among the results.
SEARCHES = {
    "marginal effect": "effects.html",
    "huge intervals": "guide/questions.html",
    "NotAtMinimumWarning": "warnings/NotAtMinimumWarning.html",
}
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)

MISSING_IMAGES = """
return [...document.images].filter(i => i.complete && i.src && !i.naturalWidth)
  .map(i => i.src)"""
# Text, pictures and tables that end beyond the screen, but for those in a box of the
# page that scrolls by itself (code, tables). The theme's box of the whole article
# scrolls as well, which hides from the document's width that text is cut off.
CUT_OFF = """
const edge = arguments[0] + 1, found = [];
const places = 'article, header, footer, .bd-sidebar-primary, .bd-sidebar-secondary';
const scrolls = e => {
  for (; e && !e.matches(places); e = e.parentElement)
    if (/auto|scroll/.test(getComputedStyle(e).overflowX)
        && e.getBoundingClientRect().right <= edge) return true;
  return false; };
const look = (box, e, what) => {
  if (box.width && box.height && box.right > edge
      && getComputedStyle(e).visibility != 'hidden' && !scrolls(e)
      && !e.closest('.visually-hidden'))
    found.push(Math.round(box.right - edge) + ' px: ' + e.tagName + '.' + e.className
      + ' ' + what.trim().slice(0, 30)); };
for (const part of document.querySelectorAll(places)) {
  const range = document.createRange();
  const walk = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode());) {
    if (!node.data.trim()) continue;
    range.selectNodeContents(node);
    look(range.getBoundingClientRect(), node.parentElement, node.data);
  }
  for (const e of part.querySelectorAll('img, svg, table, pre, .admonition, .sd-card'))
    look(e.getBoundingClientRect(), e, '');
}
return [...found.slice(0, 3), ...(found[3] ? [found.length + ' in all'] : [])]"""
# Text whose colour is too near to the first background that is not transparent.
LOW_CONTRAST = """
const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => { const f = v => { v /= 255;
  return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
const behind = e => { for (; e; e = e.parentElement) {
  const c = rgb(getComputedStyle(e).backgroundColor);
  if (c.length == 3 || c[3] > 0.5) return c; } return [255, 255, 255]; };
const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; (node = walk.nextNode());) {
  const e = node.parentElement, style = getComputedStyle(e);
  const box = e.getBoundingClientRect();
  if (!node.data.trim() || !box.width || !box.height || style.visibility == 'hidden'
      || style.opacity == 0 || e.closest('script, style, noscript, svg, [hidden]'))
    continue;
  const [a, b] = [light(rgb(style.color)), light(behind(e))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < arguments[0]) found.push(
    ratio.toFixed(1) + ' ' + e.tagName + '.' + e.className + ': '
    + node.data.trim().slice(0, 40));
}
return found.slice(0, 5)"""


class Page(HTMLParser):
    """The links, the sources and the anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.anchors = set(), {""}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        self.targets |= {attrs[key] for key in ("href", "src") if attrs.get(key)}


def read_pages():
    return {
        path.relative_to(SITE).as_posix(): Page(path.read_text("utf-8"))
        for path in sorted(SITE.rglob("*.html"))
        if "_static" not in path.parts
    }


def broken_links(pages):
    """Yield links to files, or places in pages, that do not exist."""
    for name, page in pages.items():
        for target in sorted(page.targets):
            url = urllib.parse.urlsplit(target)
            if url.scheme or url.netloc:
                continue
            path = urllib.parse.unquote(url.path)
            file = (SITE / name).parent / path if path else SITE / name
            if file.is_dir():
                file /= "index.html"
            place = file.resolve()
            if not place.exists():
                yield f"{name}: {target} does not exist"
                continue
            inside = pages.get(place.relative_to(SITE).as_posix())
            anchor = urllib.parse.unquote(url.fragment)
            if inside and anchor not in inside.anchors and not anchor.startswith(":~:"):
                yield f"{name}: {target} has no such place"


@contextlib.contextmanager
def served():
    """Serve the site, and give its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextlib.contextmanager
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    try:
        yield driver
    finally:
        driver.quit()


def look_like(driver, size=DESKTOP, scheme="light"):
    """Make it a window of that size, of a reader who prefers that scheme."""
    width, height = size
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        dict(width=width, height=height, deviceScaleFactor=1, mobile=size == PHONE),
    )
    feature = dict(name="prefers-color-scheme", value=scheme)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dict(features=[feature]))


def console_and_images(driver, address, names):
    look_like(driver)
    for name in names:
        driver.get(address + name)
        for entry in driver.get_log("browser"):
            if entry["level"] in ("SEVERE", "WARNING"):
                yield f"{name}: console: {entry['message']}"
        for image in driver.execute_script(MISSING_IMAGES):
            yield f"{name}: missing image {image}"


def cut_off(driver, address, names, size):
    look_like(driver, size)
    for name in names:
        driver.get(address + name)
        found = driver.execute_script(CUT_OFF, size[0])
        if found:
            yield f"{name}: {size[0]} px wide, beyond it by {', '.join(found)}"


def dark_on_dark(driver, address, names):
    look_like(driver, scheme="dark")
    for name in names:
        driver.get(address + name)
        time.sleep(TRANSITION)
        if driver.execute_script("return document.documentElement.dataset.theme") != (
            "dark"
        ):
            yield f"{name}: is not dark"
        for one in driver.execute_script(LOW_CONTRAST, CONTRAST):
            yield f"{name}: in the dark, contrast {one}"


def not_found(driver, address):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def searched(driver):
        summary = driver.find_element(
            By.CSS_SELECTOR, "#search-results .search-summary"
        )
        return re.search("found|did not match", summary.text)

    look_like(driver)
    for words, page in SEARCHES.items():
        driver.get(f"{address}search.html?{urllib.parse.urlencode({'q': words})}")
        WebDriverWait(driver, 20).until(searched)
        links = driver.find_elements(By.CSS_SELECTOR, "#search-results ul.search a")
        found = [
            urllib.parse.urlsplit(link.get_attribute("href")).path for link in links
        ]
        if f"/{page}" not in found:
            yield f"search: {words!r} does not find {page}, but {found[:5]}"


def take_screenshots(driver, address, pages):
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    SCREENSHOTS.mkdir(parents=True)
    examples = [name for name in pages if name.startswith("auto_examples/plot_")]
    wanted = {
        "start": ("index.html", DESKTOP, "light"),
        "five_minutes": ("start.html", DESKTOP, "light"),
        "guide": ("guide/intervals.html", DESKTOP, "light"),
        "api": ("api/generated/sklearn_nnci.MLPRegressorCI.html", DESKTOP, "light"),
        "warning": ("warnings/WideIntervalsWarning.html", DESKTOP, "light"),
        "benchmark": ("benchmarks/results/tuned.html", DESKTOP, "light"),
        "gallery": ("auto_examples/index.html", DESKTOP, "light"),
        "phone": ("index.html", PHONE, "light"),
        "phone_table": ("coverage.html", PHONE, "light"),
        "dark": ("index.html", DESKTOP, "dark"),
        "dark_code": ("start.html", DESKTOP, "dark"),
    }
    if examples:
        wanted["example"] = (examples[0], DESKTOP, "light")
        wanted["dark_example"] = (examples[0], DESKTOP, "dark")
    for name, (page, size, scheme) in wanted.items():
        if page not in pages:
            continue
        look_like(driver, size, scheme)
        driver.get(address + page)
        time.sleep(TRANSITION)
        driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--screenshots", action="store_true", help="take no other look")
    only = parser.parse_args().screenshots
    pages = read_pages()
    if not pages:
        sys.exit("There is no site yet. Try make doc.")
    main_pages = [name for name in MAIN if name in pages]
    with served() as address, browser() as driver:
        take_screenshots(driver, address, pages)
        problems = (
            []
            if only
            else [
                *(f"{name} does not exist" for name in MAIN if name not in pages),
                *broken_links(pages),
                *console_and_images(driver, address, pages),
                *cut_off(driver, address, pages, PHONE),
                *cut_off(driver, address, pages, DESKTOP),
                *dark_on_dark(driver, address, main_pages),
                *not_found(driver, address),
            ]
        )
    print(*problems, sep="\n")
    print(f"{len(pages)} pages, {len(problems)} problems; look at {SCREENSHOTS}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
