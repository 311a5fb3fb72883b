"""raft-kv: a key-value store on three or five nodes that behaves like one. Raft (Ongaro and Ousterhout, extended version, 2014)
puts all requests into one order; each node applies them, in that order, to a map and to a table of sessions.

A follower refuses with error 11 and names the leader. Reads go through the log like everything else."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

HEARTBEAT_MS = 50
ELECTION_MS = 150, 300


class Store:
    """The state machine: what the log is for."""

    def __init__(self, saved=None):
        saved = saved or {"map": [], "sessions": {}}
        self.map = {key: value for key, value in saved["map"]}
        self.sessions = dict(saved["sessions"])  # session -> [highest seq, its answer]

    def save(self):
        # A copy, here and above: a snapshot that is sent later must not know of later requests.
        return {"map": [[key, value] for key, value in self.map.items()], "sessions": dict(self.sessions)}

    def apply(self, op):
        """The answer to an operation; None for one that its client no longer waits for."""
        session, seq = op.get("session"), op.get("seq")
        if session is None or seq is None:
            return self.execute(op)
        last, answer = self.sessions.get(session, [-1, None])
        if seq == last:
            return answer
        if seq < last:
            return None
        answer = self.execute(op)
        self.sessions[session] = [seq, answer]
        return answer

    def execute(self, op):
        key = op["key"]
        if op["type"] == "write":
            self.map[key] = op["value"]
            return {"type": "write_ok"}
        if key not in self.map:
            return {"type": "error", "code": 20, "text": "no such key"}
        if op["type"] == "read":
            return {"type": "read_ok", "value": self.map[key]}
        if self.map[key] != op["from"]:
            return {"type": "error", "code": 22, "text": "the value is %s" % self.map[key]}
        self.map[key] = op["to"]
        return {"type": "cas_ok"}


class RaftKv:
    def __init__(self, node):
        self.node = node
        # on disk (Figure 2 of the paper)
        self.term, self.vote = 0, None
        self.log = []  # entries after the snapshot: {"term": ..., "op": ...}; op None is a no-op
        self.snapshot = {"index": 0, "term": 0, "store": None}
        # in memory
        self.role, self.leader = "follower", None
        self.commit = self.applied = 0
        self.store = Store()
        self.votes = set()
        self.next, self.match = {}, {}  # by peer, while we lead
        self.waiting = {}               # index -> request of a client, while we lead
        self.reported = None

        node.on("init", self.on_init)
        for kind in ("read", "write", "cas"):
            node.on(kind, self.on_request)
        for kind, handler in (
                ("request_vote", self.on_request_vote), ("request_vote_ok", self.on_vote),
                ("append_entries", self.on_append_entries), ("append_entries_ok", self.on_appended),
                ("install_snapshot", self.on_install_snapshot), ("install_snapshot_ok", self.on_appended)):
            node.on(kind, self.from_peer(handler))

    def on_init(self, msg):
        self.peers = [n for n in self.node.node_ids if n != self.node.node_id]
        saved = self.node.load("vote")
        if saved:
            self.term, self.vote = saved["term"], saved["vote"]
        self.snapshot = self.node.load("snapshot") or self.snapshot
        saved = self.node.load("log")
        if saved:  # the snapshot may be newer: it is written first
            self.log = saved["log"][max(0, self.snapshot["index"] - saved["after"]):]
        self.store = Store(self.snapshot["store"])
        self.commit = self.applied = self.snapshot["index"]
        self.reset_election_timer()
        self.report()

    def from_peer(self, handler):
        """Messages of Raft are for nodes: what somebody else sends under these names is ignored."""
        def checked(msg):
            if msg["src"] not in self.peers:
                return
            if msg["body"]["term"] > self.term:
                self.on_higher_term(msg["body"]["term"])
            handler(msg["src"], msg["body"])
            self.report()
        return checked

    def report(self):
        state = {"role": self.role, "term": self.term, "vote": self.vote}
        if state != self.reported:
            self.reported = state
            self.node.state(dict(state, commit=self.commit, last_index=self.last_index(), last_term=self.last_term()))

    # --- the log ---

    def last_index(self):
        return self.snapshot["index"] + len(self.log)

    def last_term(self):
        return self.log[-1]["term"] if self.log else self.snapshot["term"]

    def term_at(self, index):
        """None for an entry that we do not have, or no longer."""
        if index == self.snapshot["index"]:
            return self.snapshot["term"]
        at = index - self.snapshot["index"] - 1
        return self.log[at]["term"] if 0 <= at < len(self.log) else None

    def entries_after(self, index):
        return self.log[index - self.snapshot["index"]:]

    def save_term_and_vote(self):
        self.node.save("vote", {"term": self.term, "vote": self.vote})

    def save_log(self):
        self.node.save("log", {"after": self.snapshot["index"], "log": self.log})

    # --- elections (section 5.2) ---

    def majority(self):
        return len(self.node.node_ids) // 2 + 1

    def reset_election_timer(self):
        low, high = ELECTION_MS
        self.node.timer("election", low + self.node.random(high - low), self.on_election_timeout)

    def on_election_timeout(self):
        self.term += 1
        self.role, self.leader, self.vote = "candidate", None, self.node.node_id
        self.votes = {self.node.node_id}
        self.save_term_and_vote()
        self.reset_election_timer()
        for peer in self.peers:
            self.node.send(peer, {"type": "request_vote", "term": self.term, "candidate_id": self.node.node_id,
                                  "last_log_index": self.last_index(), "last_log_term": self.last_term()})
        self.count_votes()
        self.report()

    def may_vote(self, candidate, body):
        """One vote a term, and only for a log that is at least as up to date (section 5.4.1)."""
        return (body["term"] == self.term and self.vote in (None, candidate) and
                (body["last_log_term"], body["last_log_index"]) >= (self.last_term(), self.last_index()))

    def on_request_vote(self, src, body):
        granted = self.may_vote(src, body)
        if granted:
            self.vote = src
            self.save_term_and_vote()
            self.reset_election_timer()
        self.node.send(src, {"type": "request_vote_ok", "term": self.term, "vote_granted": granted})

    def on_vote(self, src, body):
        if self.role == "candidate" and body["term"] == self.term and body["vote_granted"]:
            self.votes.add(src)
            self.count_votes()

    def count_votes(self):
        if self.role == "candidate" and len(self.votes) >= self.majority():
            self.become_leader()

    def become_leader(self):
        self.role, self.leader = "leader", self.node.node_id
        self.next = {peer: self.last_index() + 1 for peer in self.peers}
        self.match = {peer: 0 for peer in self.peers}
        self.node.cancel_timer("election")
        self.append(None)  # so that what earlier leaders left can be committed (section 8)
        self.heartbeat()

    def on_higher_term(self, term):
        self.term, self.vote = term, None
        self.save_term_and_vote()
        self.become_follower()

    def become_follower(self):
        if self.role == "leader":
            self.node.cancel_timer("heartbeat")
            self.reset_election_timer()
            self.give_up_waiting()
        self.role, self.leader = "follower", None

    def give_up_waiting(self):
        for msg in self.waiting.values():
            self.node.reply_error(msg, 0, "no leader any more: it may still happen")
        self.waiting = {}

    # --- replication (section 5.3) ---

    def heartbeat(self):
        for peer in self.peers:
            self.replicate(peer)
        self.node.timer("heartbeat", HEARTBEAT_MS, self.heartbeat)

    def append(self, op):
        self.log.append({"term": self.term, "op": op})
        self.save_log()
        for peer in self.peers:
            self.replicate(peer)
        self.advance_commit()

    def replicate(self, peer):
        previous = self.next[peer] - 1
        if previous < self.snapshot["index"]:
            self.send_snapshot(peer)
            return
        entries = self.entries_after(previous)
        self.node.send(peer, {"type": "append_entries", "term": self.term, "prev_log_index": previous,
                              "prev_log_term": self.term_at(previous), "entries": entries, "leader_commit": self.commit})
        self.next[peer] += len(entries)  # it will arrive; if not, the next one is refused and we back up

    def on_append_entries(self, src, body):
        if body["term"] < self.term:
            self.answer_append(src, False, 0)
            return
        self.follow(src)
        previous, entries = body["prev_log_index"], body["entries"]
        if previous < self.snapshot["index"]:  # what we have folded is committed: it is the same
            skip = self.snapshot["index"] - previous
            previous, entries = self.snapshot["index"], entries[skip:]
        elif not self.accepts(previous, body["prev_log_term"]):
            self.answer_append(src, False, self.back_up(previous))
            return
        self.truncate_and_append(previous, entries)
        self.set_commit(min(body["leader_commit"], previous + len(entries)))
        self.answer_append(src, True, previous + len(entries))

    def answer_append(self, src, success, index):
        """index: up to there our log is the leader's; or, without success, where it should try next."""
        self.node.send(src, {"type": "append_entries_ok", "term": self.term, "success": success, "index": index})

    def follow(self, leader):
        self.become_follower()
        self.leader = leader
        self.reset_election_timer()

    def accepts(self, index, term):
        return self.term_at(index) == term

    def back_up(self, index):
        """Over all entries of the term that does not fit, at once (end of section 5.3)."""
        if index > self.last_index():
            return self.last_index()
        term = self.term_at(index)
        while index > self.snapshot["index"] and self.term_at(index) == term:
            index -= 1
        return index

    def truncate_and_append(self, previous, entries):
        """An old message may tell less than we have: only a conflict removes entries."""
        for i, entry in enumerate(entries):
            if self.term_at(previous + 1 + i) != entry["term"]:
                self.log = self.log[:previous + i - self.snapshot["index"]] + entries[i:]
                self.save_log()
                return

    def on_appended(self, src, body):
        if self.role != "leader" or body["term"] != self.term:
            return
        if body["success"]:
            self.match[src] = max(self.match[src], body["index"])
            self.next[src] = max(self.next[src], self.match[src] + 1)
            self.advance_commit()
        else:
            self.next[src] = max(self.match[src], min(body["index"], self.next[src] - 1)) + 1
            self.replicate(src)

    def advance_commit(self):
        """An entry of our own term that a majority has is committed, with all before it (section 5.4.2)."""
        indexes = sorted([self.last_index()] + list(self.match.values()), reverse=True)
        index = indexes[self.majority() - 1]
        if index > self.commit and self.term_at(index) == self.term:
            self.set_commit(index)

    def set_commit(self, index):
        self.commit = max(self.commit, index)
        while self.applied < self.commit:
            self.applied += 1
            self.apply(self.applied)
        self.fold()

    # --- requests of clients (section 8) ---

    def on_request(self, msg):
        body = msg["body"]
        if not good_request(body):
            self.node.reply_error(msg, 12, "a key, and what belongs to it, please")
        elif self.role != "leader":
            self.refuse(msg)
        elif body["type"] == "read":
            self.read(msg)
        else:
            self.propose(msg)

    def refuse(self, msg):
        self.node.reply(msg, {"type": "error", "code": 11, "text": "not the leader", "leader": self.leader})

    def read(self, msg):
        self.propose(msg)

    def propose(self, msg):
        self.waiting[self.last_index() + 1] = msg
        self.append(self.command(msg))

    def command(self, msg):
        """What of a request stands in the log."""
        return {k: msg["body"][k] for k in ("type", "key", "value", "from", "to", "session", "seq") if k in msg["body"]}

    def apply(self, index):
        op = self.log[index - self.snapshot["index"] - 1]["op"]
        answer = self.store.apply(op) if op else None
        msg = self.waiting.pop(index, None)
        if msg and answer:
            self.node.reply(msg, answer)

    # --- snapshots (section 7) ---

    def fold(self):
        most = self.node.config.get("snapshot_entries")
        if not most or self.applied - self.snapshot["index"] <= most:
            return
        snapshot = {"index": self.applied, "term": self.term_at(self.applied), "store": self.store.save()}
        self.log = self.entries_after(self.applied)
        self.snapshot = snapshot
        self.save_snapshot()

    def save_snapshot(self):
        self.node.save("snapshot", self.snapshot)
        self.save_log()

    def send_snapshot(self, peer):
        self.node.send(peer, {"type": "install_snapshot", "term": self.term, "snapshot": self.snapshot})
        self.next[peer] = self.snapshot["index"] + 1

    def on_install_snapshot(self, src, body):
        if body["term"] == self.term:
            self.follow(src)
            if body["snapshot"]["index"] > self.commit:
                self.install(body["snapshot"])
        self.node.send(src, {"type": "install_snapshot_ok", "term": self.term, "success": body["term"] == self.term,
                             "index": body["snapshot"]["index"]})

    def install(self, snapshot):
        same = self.term_at(snapshot["index"]) == snapshot["term"]
        self.log = self.entries_after(snapshot["index"]) if same else []
        self.snapshot = snapshot
        self.save_snapshot()
        self.store = Store(snapshot["store"])
        self.commit = self.applied = snapshot["index"]


def good_request(body):
    needs = {"read": ["key"], "write": ["key", "value"], "cas": ["key", "from", "to"]}[body["type"]]
    if any(type(body.get(k)) not in (int, str) for k in needs):
        return False
    return type(body.get("session")) in (str, type(None)) and type(body.get("seq")) in (int, type(None))


def main(machine=RaftKv):
    node = dlab.Node()
    machine(node)
    node.run()


if __name__ == "__main__":
    main()
