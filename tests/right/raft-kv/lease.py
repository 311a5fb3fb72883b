"""Reads under a lease (Ongaro's thesis, section 6.4): for 120 ms after it has sent what a majority has answered, a leader is sure to
be the only one. For that, nobody votes within 150 ms after it has heard a leader, or was started."""
import read_index
from read_index import raft_kv

LEASE_MS, NO_VOTE_MS = 120, 150


class Lease(read_index.ReadIndex):
    def __init__(self, node):
        super().__init__(node)
        self.quiet_until, self.sent, self.lease_until = 0, {}, 0

    def on_init(self, msg):
        super().on_init(msg)
        self.quiet_until = self.node.now() + NO_VOTE_MS

    def follow(self, leader):
        super().follow(leader)
        self.quiet_until = self.node.now() + NO_VOTE_MS

    def from_peer(self, handler):
        checked = super().from_peer(handler)

        def patient(msg):
            wants_vote = msg["body"].get("type") == "request_vote"
            leads = self.role == "leader" and self.node.now() < self.lease_until
            if not (wants_vote and (leads or self.node.now() < self.quiet_until)):
                checked(msg)
        return patient

    def ask_all(self, round):
        self.sent[round] = self.node.now()
        super().ask_all(round)

    def on_confirmed(self, src, body):
        round = body["round"]
        before = round in self.heard
        super().on_confirmed(src, body)
        if before and round not in self.heard and self.role == "leader":
            self.lease_until = max(self.lease_until, self.sent[round] + LEASE_MS)

    def read(self, msg):
        if self.term_at(self.commit) == self.term and self.node.now() < self.lease_until:
            self.node.reply(msg, self.store.execute(msg["body"]))
        else:
            super().read(msg)

    def give_up_waiting(self):
        super().give_up_waiting()
        self.lease_until, self.sent = 0, {}


if __name__ == "__main__":
    raft_kv.main(Lease)
