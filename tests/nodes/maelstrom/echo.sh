#!/bin/sh
# echo without lockstep, in sh and sed: no "src", no msg_id of its own, keys in another order.
number=0
while IFS= read -r line; do
	src=$(printf '%s\n' "$line" | sed -n 's/.*"src":"\([^"]*\)".*/\1/p')
	id=$(printf '%s\n' "$line" | sed -n 's/.*"msg_id":\([0-9]*\).*/\1/p')
	case $line in
	*'"type":"init"'*) body="\"type\":\"init_ok\"" ;;
	*'"type":"echo"'*)
		echo=$(printf '%s\n' "$line" | sed -n 's/.*"echo":\(.*\),"msg_id".*/\1/p')
		body="\"echo\":$echo,\"type\":\"echo_ok\""
		;;
	*) body='"type":"error","code":10,"text":"not known here"' ;;
	esac
	number=$((number + 1))
	printf '{"body":{"in_reply_to":%s,%s},"dest":"%s"}\n' "${id:-0}" "$body" "$src"
	echo "answered $number" >&2
done
