#!/bin/sh
# Pictures of a report at 390 and 1440 px, light and dark, in a headless browser; and whether it is wider than the page, asks the
# network for anything, or says an error:
#   sh tests/diagnose/screenshots.sh FOLDER [PAGE.html...]
# Without pages it makes three: a small planted case, one with everything too wide, and a frontier of mixed precision. FOLDER gets NAME_390_light.png and so on.
# The browser is chromium, or $BROWSER. Exit status: 0 all is well, 1 something is not, 77 there is no browser.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:?usage: screenshots.sh FOLDER [PAGE.html...]}
shift
browser=${BROWSER:-}
for one in chromium chromium-browser google-chrome; do
  [ -n "$browser" ] || ! command -v $one > /dev/null || browser=$one
done
if [ -z "$browser" ]; then
  echo "screenshots: there is no chromium; apt-get install chromium, or set BROWSER"
  exit 77
fi
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [ $# -eq 0 ]; then
  ${CXX:-c++} -std=c++20 -O1 -march=native -fopenmp -I"$root/include" -isystem /usr/include/eigen3 \
    "$root/tests/diagnose/report_page.cpp" -o "$folder/report_page" -DSTET_NO_ZLIB -lfmt
  "$folder/report_page" "$folder/planted.html" > "$folder/planted.txt"
  "$folder/report_page" "$folder/wide.html" wide > "$folder/wide.txt"
  "$folder/report_page" "$folder/frontier.html" frontier > "$folder/frontier.txt"
  rm "$folder/report_page"
  set -- "$folder/planted.html" "$folder/wide.html" "$folder/frontier.html"
fi

failed=0
fault() { echo "screenshots: $1"; failed=1; }

# A name resolver that knows nobody: what the page asked for would be seen as an error of loading.
run() {
  timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-extensions \
    --host-resolver-rules="MAP * ~NOTFOUND" --user-data-dir="$folder/profile" "$@" 2> "$folder/browser.log"
}

for page; do
  name=$(basename "$page" .html)
  # The page itself: nothing that it could load, no scripts that run.
  if grep -oE '(src|href|action|data)="[^"]*"|url\([^)]*\)|@import|https?://' "$page" | grep -v 'href="#' > "$folder/$name.loads"; then
    fault "$page names what it would load: $(head -n 3 "$folder/$name.loads")"
  fi
  rm -f "$folder/$name.loads"
  if grep -oE '<script[^>]*>' "$page" | grep -v 'application/json'; then fault "$page runs a script"; fi
  for width in 390 1440; do
    # Headless windows have a least width, so the page is looked at in a frame as wide as the phone. The copy says what is
    # wider than the frame and does not scroll in a box of its own, and what was fetched.
    probe="$folder/$name.$width.probe.html"
    {
      printf '<!DOCTYPE html><meta charset="utf-8"><title>probe</title><pre id="found">nothing</pre><iframe id="page" style="border:0;width:%spx;height:900px" src="%s"></iframe>' "$width" "file://$(cd "$(dirname "$page")" && pwd)/$(basename "$page")"
      cat << 'END'
<script>
window.onload = () => {
  const frame = document.getElementById('page'), doc = frame.contentDocument, all = doc.documentElement, wide = [];
  for (const e of doc.querySelectorAll('body *')) {
    const box = e.getBoundingClientRect();
    if (box.right > all.clientWidth + 1 && !e.closest('.scroll,pre')) wide.push(e.tagName + '.' + (e.className.baseVal ?? e.className) + ' ends at ' + Math.round(box.right));
  }
  const fetched = frame.contentWindow.performance.getEntriesByType('resource').map(r => r.name);
  document.getElementById('found').textContent = 'client ' + all.clientWidth + ' scroll ' + all.scrollWidth + ' height ' + all.scrollHeight + ' wide [' + wide.slice(0, 5).join('; ') + '] fetched [' + fetched.join(' ') + ']';
};
</script>
END
    } > "$probe"
    found=$(run --allow-file-access-from-files --window-size=1600,1000 --virtual-time-budget=5000 --dump-dom "file://$probe" | sed -n 's/.*<pre id="found">\([^<]*\)<.*/\1/p')
    rm -f "$probe"
    echo "$name at $width px: $found"
    case $found in
      "client $width scroll $width height "*" wide [] fetched []") ;;
      *) fault "$page at $width px: wider than the page, or something was fetched" ;;
    esac
    height=$(echo "$found" | sed -n 's/.* height \([0-9]*\) .*/\1/p')
    for scheme in light dark; do
      # The browser has no flag for the scheme that a page sees; a frame takes that of the element that it stands in.
      frame="$folder/$name.$width.$scheme.frame.html"
      printf '<!DOCTYPE html><html style="color-scheme:%s"><meta charset="utf-8"><body style="margin:0"><iframe style="border:0;display:block;color-scheme:%s;width:%spx;height:%spx" src="%s"></iframe>' \
        $scheme $scheme $width "${height:-2000}" "file://$(cd "$(dirname "$page")" && pwd)/$(basename "$page")" > "$frame"
      picture="$folder/${name}_${width}_$scheme.png"
      rm -f "$picture"
      run --window-size="$([ $width -lt 600 ] && echo 500 || echo $width),${height:-2000}" --virtual-time-budget=2000 --screenshot="$picture" "file://$frame" > /dev/null || true
      [ -s "$picture" ] || fault "no picture $picture: $(tail -n 1 "$folder/browser.log")"
      rm -f "$frame"
    done
  done
done
rm -rf "$folder/profile" "$folder/browser.log"
[ $failed -eq 0 ] && echo "screenshots: all is well; the pictures are in $folder"
exit $failed
