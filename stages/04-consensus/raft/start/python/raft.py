"""raft: a log of commands that a majority agrees on.

Clients send {"type": "propose", "command": "..."} to any node. This node starts, reports that it is follower, and leaves
the rest to you. Keep Figure 2 of the paper at hand."""
import os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), up) for up in ("..", "../../../../../core/sdk/python")]
import dlab

node = dlab.Node()


class Raft:
    role = "follower"
    term = 0          # to be saved, like vote and log: node.save("vote", ...), node.load("vote")
    vote = None
    log = []          # entries: {"term": 1, "command": "..."}; index 1 is log[0]
    commit = 0


raft = Raft()


def report():
    """After each change of role, term or vote: the judge knows them only by this."""
    node.state({"role": raft.role, "term": raft.term, "vote": raft.vote, "commit": raft.commit,
                "last_index": len(raft.log), "last_term": raft.log[-1]["term"] if raft.log else 0})


def start_election_timer():
    node.timer("election", 150 + node.random(150), on_election_timeout)


def on_election_timeout():
    # Your code comes here: a new term, your own vote, role candidate, report(), and to each other node
    # node.rpc(peer, {"type": "request_vote", "term": ..., ...}, on_vote, 100).
    start_election_timer()


@node.on("init")
def init(msg):
    # node.config.get("members") names the voting members, if not all nodes are. Load here what an earlier life has saved.
    report()
    start_election_timer()


@node.on("request_vote")
def request_vote(msg):
    node.reply(msg, {"type": "request_vote_ok", "term": raft.term, "vote_granted": False})


@node.on("append_entries")
def append_entries(msg):
    node.reply(msg, {"type": "append_entries_ok", "term": raft.term, "success": False})


@node.on("propose")
def propose(msg):
    if raft.role != "leader":
        node.reply_error(msg, 11, "not the leader")
        return
    # Your code comes here: append it, save, send it to all, and reply propose_ok with index and digest when it is applied:
    # node.apply({"index": ..., "term": ..., "command": ...}) for each entry, in order.


@node.on("reconfigure")
def reconfigure(msg):
    node.reply_error(msg, 11, "not the leader")


node.run()
