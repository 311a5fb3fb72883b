"""Time-outs of 300 to 600 ms and a heartbeat every 100 ms, by Figure 2 alone."""
import paper
from paper import raft

raft.ELECTION_MIN_MS, raft.ELECTION_MAX_MS, raft.HEARTBEAT_MS = 300, 600, 100

if __name__ == "__main__":
    raft.main(paper.Paper)
