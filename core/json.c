/* Documents on top of jansson; only printing is our own, for numbers that read as they were written (0.1). */
#include "json.h"

#include <errno.h>
#include <stdio.h>

json_t *json_read(struct slice s, struct err *err)
{
	json_error_t e;
	json_t *j = json_loadb(s.n > 0 ? s.s : "", s.n, JSON_DECODE_ANY, &e);
	if (!j)
		err_set(err, "line %d, column %d: %s", e.line, e.column, e.text);
	return j;
}

/* One byte more than the limit is asked for, so that a file that is too long shows. */
static int file_read(FILE *f, const char *path, size_t limit, struct buf *to, struct err *err)
{
	size_t got;
	do {
		size_t want = limit + 1 - to->n;
		if (want > 65536)
			want = 65536;
		buf_room(to, want);
		got = fread(to->s + to->n, 1, want, f);
		to->n += got;
	} while (got > 0 && to->n <= limit);
	if (ferror(f))
		return err_errno(err, "%s", path);
	if (to->n > limit)
		return err_set(err, "%s: longer than %zu bytes", path, limit);
	return 0;
}

json_t *json_read_file(const char *path, size_t limit, struct err *err)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		err_errno(err, "%s", path);
		return NULL;
	}
	struct buf text = BUF_EMPTY;
	json_t *j = NULL;
	if (file_read(f, path, limit, &text, err) == 0) {
		j = json_read(buf_as_slice(&text), err);
		if (!j)
			err_wrap(err, "%s", path);
	}
	buf_done(&text);
	fclose(f);
	return j;
}

json_t *json_get(const json_t *j, const char *key)
{
	return json_object_get(j, key);
}

bool json_whole(const json_t *j, int64_t *out)
{
	const double exact = 9007199254740992.0; /* 2^53: beyond it a double stands for several integers */
	double x = json_is_real(j) ? json_real_value(j) : 0.5;
	if (json_is_integer(j)) {
		*out = json_integer_value(j);
		return true;
	}
	if (x < -exact || x > exact || x != (double)(int64_t)x)
		return false;
	*out = (int64_t)x;
	return true;
}

int64_t json_get_int(const json_t *j, const char *key, int64_t otherwise)
{
	int64_t value;
	return json_whole(json_get(j, key), &value) ? value : otherwise;
}

const char *json_get_string(const json_t *j, const char *key, const char *otherwise)
{
	const json_t *member = json_get(j, key);
	return json_is_string(member) ? json_string_value(member) : otherwise;
}

/* The shortest of 15 to 17 digits that is read back as the same number. jansson prints and reads, because it does not
 * depend on the locale's decimal comma. */
static void real_print(struct buf *b, const json_t *j)
{
	char text[64];
	size_t n = 0;
	for (size_t digits = 15; digits <= 17; digits++) {
		n = json_dumpb(j, text, sizeof text, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
		json_t *back = json_loadb(text, n, JSON_DECODE_ANY, NULL);
		bool same = json_equal(back, j) != 0;
		json_decref(back);
		if (same)
			break;
	}
	buf_add(b, text, n);
}

static void array_print(struct buf *b, const json_t *j)
{
	buf_char(b, '[');
	for (size_t i = 0; i < json_array_size(j); i++) {
		if (i > 0)
			buf_char(b, ',');
		json_print(b, json_array_get(j, i));
	}
	buf_char(b, ']');
}

static void object_print(struct buf *b, const json_t *j)
{
	json_t *o = (json_t *)(uintptr_t)j; /* jansson's iterators do not write, yet ask for one that is not const */
	const char *comma = "";
	buf_char(b, '{');
	for (void *i = json_object_iter(o); i; i = json_object_iter_next(o, i)) {
		buf_str(b, comma);
		buf_json_string(b, (struct slice){ json_object_iter_key(i), json_object_iter_key_len(i) });
		buf_char(b, ':');
		json_print(b, json_object_iter_value(i));
		comma = ",";
	}
	buf_char(b, '}');
}

void json_print(struct buf *b, const json_t *j)
{
	switch (j ? json_typeof(j) : JSON_NULL) {
	case JSON_OBJECT:
		object_print(b, j);
		break;
	case JSON_ARRAY:
		array_print(b, j);
		break;
	case JSON_STRING:
		buf_json_string(b, (struct slice){ json_string_value(j), json_string_length(j) });
		break;
	case JSON_INTEGER:
		buf_int(b, json_integer_value(j));
		break;
	case JSON_REAL:
		real_print(b, j);
		break;
	case JSON_TRUE:
		buf_str(b, "true");
		break;
	case JSON_FALSE:
		buf_str(b, "false");
		break;
	case JSON_NULL:
		buf_str(b, "null");
		break;
	}
}
