"""unique-ids: your node gets {"type": "generate"} and answers {"type": "generate_ok", "id": ...}. No id is ever
given twice: not by this node, not by another, not after a crash."""
import os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), up) for up in ("..", "../../../../../core/sdk/python")]
import dlab

node = dlab.Node()


@node.on("generate")
def generate(msg):
    # Your code comes here. What makes an id that no other node gives, and that this node gave never before?
    # Useful: node.node_id, node.load(name), node.save(name, value).
    node.reply_error(msg, 11, "this node cannot make ids yet")


node.run()
