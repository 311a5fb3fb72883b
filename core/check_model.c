/* check_model.c - the sequential models: register, compare-and-set register, map, list, lock, queue. */
#include "check_model.h"

/* --- texts --- */

static void show_value(struct buf *b, int64_t v)
{
	if (v == LIN_NIL)
		buf_str(b, "nil");
	else if (v == LIN_ANY)
		buf_str(b, "any");
	else
		buf_int(b, v);
}

static void show_words(struct buf *b, const int64_t *w, size_t n)
{
	buf_char(b, '[');
	for (size_t i = 0; i < n; i++) {
		buf_str(b, i ? " " : "");
		show_value(b, w[i]);
	}
	buf_char(b, ']');
}

static void show_row(struct buf *b, struct lin_state s)
{
	show_words(b, s.w, s.n);
}

static void show_one(struct buf *b, struct lin_state s)
{
	show_value(b, s.w[0]);
}

static void show_pairs(struct buf *b, struct lin_state s)
{
	buf_char(b, '{');
	for (size_t i = 0; i < s.n; i += 2) {
		buf_printf(b, "%s%lld: ", i ? ", " : "", (long long)s.w[i]);
		show_value(b, s.w[i + 1]);
	}
	buf_char(b, '}');
}

static void show_holder(struct buf *b, struct lin_state s)
{
	if (s.w[0] == LIN_NIL)
		buf_str(b, "free");
	else
		buf_printf(b, "held by client %lld", (long long)s.w[0]);
}

static void show_outcome(struct buf *b, const struct lin_op *op)
{
	buf_str(b, lin_is_maybe(op) ? " (no answer)" : op->result ? " ok" : " refused");
}

static void show_op(struct buf *b, const struct lin_op *op)
{
	static const char *const names[] = { "read", "write", "cas", "append", "acquire", "release", "enqueue", "dequeue" };
	assert(op->f >= 0 && (size_t)op->f < ARRAY_LEN(names));
	buf_str(b, names[op->f]);
	switch (op->f) {
	case LIN_READ:
	case LIN_DEQUEUE:
		buf_str(b, lin_is_maybe(op) ? " (no answer)" : " -> ");
		if (!lin_is_maybe(op) && op->list)
			show_words(b, op->list, op->list_n);
		else if (!lin_is_maybe(op))
			show_value(b, op->result);
		break;
	case LIN_CAS:
		buf_char(b, ' ');
		show_value(b, op->from);
		buf_str(b, " to ");
		show_value(b, op->value);
		show_outcome(b, op);
		break;
	case LIN_ACQUIRE:
	case LIN_RELEASE:
		show_outcome(b, op);
		break;
	default:
		buf_char(b, ' ');
		show_value(b, op->value);
		buf_str(b, lin_is_maybe(op) ? " (no answer)" : "");
	}
}

static void show_list_op(struct buf *b, const struct lin_op *op)
{
	if (op->f == LIN_READ && !lin_is_maybe(op)) {
		buf_str(b, "read -> ");
		show_words(b, op->list, op->list_n);
	} else {
		show_op(b, op);
	}
}

static void show_map_op(struct buf *b, const struct lin_op *op)
{
	buf_printf(b, "key %lld: ", (long long)op->key);
	show_op(b, op);
}

/* --- register --- */

static bool reads_as(int64_t result, int64_t value)
{
	return result == value || result == LIN_ANY;
}

/* What a register that holds `now` holds after the operation; false when the operation does not fit. */
static bool cell_step(int64_t now, const struct lin_op *op, int64_t *next)
{
	*next = now;
	switch (op->f) {
	case LIN_READ:
		return lin_is_maybe(op) || reads_as(op->result, now);
	case LIN_WRITE:
		*next = op->value;
		return true;
	default:
		assert(op->f == LIN_CAS);
		if (!lin_is_maybe(op) && !op->result)
			return now != op->from;
		*next = op->value;
		return now == op->from;
	}
}

static bool register_step(struct lin_state now, const struct lin_op *op, int64_t *next, size_t *next_n)
{
	*next_n = 1;
	return cell_step(now.w[0], op, next);
}

static bool register_pure(const struct lin_op *op)
{
	return op->f == LIN_READ || (op->f == LIN_CAS && (op->from == op->value || (!lin_is_maybe(op) && !op->result)));
}

static bool register_blind(const struct lin_op *op)
{
	return op->f == LIN_WRITE;
}

/* --- map: pairs of key and value, ordered by key; a key that holds nil is not there --- */

static bool map_step(struct lin_state now, const struct lin_op *op, int64_t *next, size_t *next_n)
{
	size_t at = 0;
	while (at < now.n && now.w[at] < op->key)
		at += 2;
	bool there = at < now.n && now.w[at] == op->key;
	int64_t value;
	if (!cell_step(there ? now.w[at + 1] : LIN_NIL, op, &value))
		return false;
	size_t rest = at + (there ? 2 : 0), put = at;
	for (size_t i = 0; i < at; i++)
		next[i] = now.w[i];
	if (value != LIN_NIL) {
		next[put++] = op->key;
		next[put++] = value;
	}
	for (size_t i = rest; i < now.n; i++)
		next[put++] = now.w[i];
	*next_n = put;
	return true;
}

/* --- list and queue: the values, oldest first --- */

static void row_add(struct lin_state now, int64_t value, int64_t *next, size_t *next_n)
{
	for (size_t i = 0; i < now.n; i++)
		next[i] = now.w[i];
	next[now.n] = value;
	*next_n = now.n + 1;
}

static bool list_step(struct lin_state now, const struct lin_op *op, int64_t *next, size_t *next_n)
{
	if (op->f == LIN_READ)
		return lin_is_maybe(op) || (op->list_n == now.n && (now.n == 0 || memcmp(op->list, now.w, now.n * sizeof *now.w) == 0));
	assert(op->f == LIN_APPEND);
	row_add(now, op->value, next, next_n);
	return true;
}

static bool list_pure(const struct lin_op *op)
{
	return op->f == LIN_READ;
}

static bool list_about(const struct lin_op *op, int64_t *value)
{
	*value = op->value;
	return op->f == LIN_APPEND;
}

static bool queue_step(struct lin_state now, const struct lin_op *op, int64_t *next, size_t *next_n)
{
	if (op->f == LIN_ENQUEUE) {
		row_add(now, op->value, next, next_n);
		return true;
	}
	assert(op->f == LIN_DEQUEUE);
	if (now.n == 0)
		return !lin_is_maybe(op) && op->result == LIN_NIL;
	if (!lin_is_maybe(op) && op->result != now.w[0])
		return false;
	for (size_t i = 1; i < now.n; i++)
		next[i - 1] = now.w[i];
	*next_n = now.n - 1;
	return true;
}

static bool queue_pure(const struct lin_op *op)
{
	return op->f == LIN_DEQUEUE && !lin_is_maybe(op) && op->result == LIN_NIL;
}

/* A dequeue without an answer may have taken any value: it belongs to none. */
static bool queue_about(const struct lin_op *op, int64_t *value)
{
	*value = op->f == LIN_ENQUEUE ? op->value : op->result;
	return op->f == LIN_ENQUEUE || (!lin_is_maybe(op) && op->result != LIN_NIL);
}

/* --- lock: who holds it --- */

static bool lock_step(struct lin_state now, const struct lin_op *op, int64_t *next, size_t *next_n)
{
	bool acquire = op->f == LIN_ACQUIRE, done = lin_is_maybe(op) || op->result;
	assert(acquire || op->f == LIN_RELEASE);
	bool can = now.w[0] == (acquire ? LIN_NIL : op->client);
	*next = acquire ? op->client : LIN_NIL;
	*next_n = 1;
	return can == done;
}

static bool lock_pure(const struct lin_op *op)
{
	return !lin_is_maybe(op) && !op->result;
}

/* --- the table --- */

static const int64_t nil = LIN_NIL;

const struct lin_model lin_register = {
	.name = "register", .start = { &nil, 1 }, .step = register_step, .pure = register_pure, .blind = register_blind,
	.repeats = true, .show_state = show_one, .show_op = show_op,
};

const struct lin_model lin_cas_register = {
	.name = "compare-and-set register", .start = { &nil, 1 }, .step = register_step, .pure = register_pure, .blind = register_blind,
	.repeats = true, .show_state = show_one, .show_op = show_op,
};

const struct lin_model lin_map = {
	.name = "map", .part = &lin_cas_register, .start = { NULL, 0 }, .step = map_step, .pure = register_pure, .repeats = true,
	.show_state = show_pairs, .show_op = show_map_op,
};

const struct lin_model lin_list = {
	.name = "list", .start = { NULL, 0 }, .step = list_step, .pure = list_pure, .about = list_about,
	.show_state = show_row, .show_op = show_list_op,
};

const struct lin_model lin_lock = {
	.name = "lock", .start = { &nil, 1 }, .step = lock_step, .pure = lock_pure, .repeats = true, .by_client = true,
	.show_state = show_holder, .show_op = show_op,
};

const struct lin_model lin_queue = {
	.name = "queue", .start = { NULL, 0 }, .step = queue_step, .pure = queue_pure, .about = queue_about,
	.show_state = show_row, .show_op = show_op,
};
