"""broadcast: every value that one node was given reaches all nodes, with few messages.

The given topology is not used. Its neighbours' neighbours would tell one another the same value many times. A
tree with n - 1 edges carries every value over every edge once, and no tree is flatter than a star: two hops from
any node to any other. So the first node is the hub, and all others talk to it alone. (The price: while the hub
is down, nothing spreads. Its restart mends that.)

- A leaf sends a new value to the hub at once. The hub collects what is new for a while, then tells it to each
  leaf in one message. With n leaves that is n messages a round, however many values came in.
- What a peer has not confirmed is sent again, round by round: that outlives loss and partitions.
- A node writes a value to its disk before it confirms it to a client. After a crash it offers these values again
  and asks its peers for all that they have."""
import os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), up) for up in ("..", "../../../core/sdk/python")]
import dlab

MS_PER_LEAF = 30      # the hub sends at most 33 messages a second, whatever the number of leaves
ROUND_MIN_MS = 250
VALUES_PER_MESSAGE = 3000  # keeps a line below the limit of 60,000 bytes

node = dlab.Node()
values = set()     # all that this node knows
own = []           # those that a client gave to this node, in order; they are on the disk
unconfirmed = {}   # peer -> the values that it may not have
round_ms = 0       # how long the hub collects, and everybody waits before sending again
waiting = False    # the timer "round" is set


@node.on("init")
def init(msg):
    global round_ms
    hub = node.node_ids[0]
    leaves = [n for n in node.node_ids if n != hub]
    for peer in leaves if node.node_id == hub else [hub]:
        unconfirmed[peer] = set()
    round_ms = max(ROUND_MIN_MS, MS_PER_LEAF * len(leaves))
    saved = node.load("values")
    if saved is None:
        node.save("values", own)
        return
    own.extend(saved)
    learn(saved, None)
    for peer in unconfirmed:
        ask_for_all(peer)


@node.on("topology")
def topology(msg):
    node.reply(msg, {"type": "topology_ok"})


@node.on("broadcast")
def broadcast(msg):
    value = msg["body"].get("message")
    if type(value) is not int:
        node.reply_error(msg, 12, "message must be an integer")
        return
    if value not in values:
        own.append(value)
        node.save("values", own)
        learn([value], None)
    node.reply(msg, {"type": "broadcast_ok"})


@node.on("read")
def read(msg):
    node.reply(msg, {"type": "read_ok", "messages": sorted(values)})


@node.on("gossip")
def gossip(msg):
    told = msg["body"].get("values")
    if type(told) is not list or not all(type(value) is int for value in told):
        node.reply_error(msg, 12, "values must be integers")
        return
    learn(told, msg["src"])
    node.reply(msg, {"type": "gossip_ok"})


@node.on("lost")
def lost(msg):
    """A peer has forgotten everything but its own values."""
    if msg["src"] in unconfirmed:
        unconfirmed[msg["src"]] |= values
        start_round()
    node.reply(msg, {"type": "lost_ok"})


def ask_for_all(peer):
    def answer(msg):
        if msg["body"]["type"] != "lost_ok":
            ask_for_all(peer)
    node.rpc(peer, {"type": "lost"}, answer, round_ms)


def learn(told, source):
    """Takes in values from a peer (or a client: None) and plans to pass on those that are new."""
    new = set(told) - values
    values.update(new)
    for peer in unconfirmed:
        if peer != source:
            unconfirmed[peer] |= new
    if new and source is None and len(unconfirmed) == 1:
        send_round()  # a leaf has one peer: nothing is saved by waiting
    elif new:
        start_round()


def start_round():
    global waiting
    if not waiting and any(unconfirmed.values()):
        waiting = True
        node.timer("round", round_ms, end_of_round)


def end_of_round():
    global waiting
    waiting = False
    send_round()


def send_round():
    for peer in unconfirmed:
        if unconfirmed[peer]:
            send_values(peer, sorted(unconfirmed[peer])[:VALUES_PER_MESSAGE])
    start_round()


def send_values(peer, batch):
    def answer(msg):
        if msg["body"]["type"] == "gossip_ok":
            unconfirmed[peer].difference_update(batch)
    node.rpc(peer, {"type": "gossip", "values": batch}, answer, round_ms)


node.run()
