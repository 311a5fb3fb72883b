#!/bin/sh
# The first look: a workspace with a small node that is nearly right, its verdict, and how to go on.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
dlab=$here/build/dlab
folder=${DLAB_TRY:-$here/build/try}
rm -rf "$folder"
"$dlab" new "$folder" --lang python >/dev/null || exit
cat > "$folder/echo/echo.py" <<'NODE'
import os, sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import dlab

node = dlab.Node()


@node.on("echo")
def echo(msg):
    node.reply(msg, {"type": "echo_ok", "echo": msg["body"]["echo"].upper()})


node.run()
NODE
printf 'A small node that is nearly right (%s/echo/echo.py):\n\n' "$folder"
sed -n '8,10p' "$folder/echo/echo.py" | sed 's/^/    /'
printf '\n$ dlab test echo -t one\n\n'
cd "$folder" || exit
"$dlab" test echo -t one
printf '\nLook at the run, with one column per node:\n\n$ dlab replay\n\n'
"$dlab" replay | head -20
printf '\nNow it is yours. Take ".upper()" away in echo/echo.py, then:\n\n    cd %s\n    %s test echo\n' "$folder" "$dlab"
