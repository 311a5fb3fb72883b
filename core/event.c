#include "event.h"

#include "lanes.h"

struct kind_text {
	const char *name, *meaning;
};

static const struct kind_text kinds[EVENT_KIND_COUNT] = {
#define X(name, text, meaning) [EVENT_##name] = { text, meaning },
	EVENT_KINDS(X)
#undef X
};

static const char *const drops[DROP_COUNT] = {
#define X(name, text) [DROP_##name] = text,
	DROP_REASONS(X)
#undef X
};

static const char *const bads[BAD_COUNT] = {
#define X(name, text) [BAD_##name] = text,
	BAD_REASONS(X)
#undef X
};

const char *event_kind_name(int kind)
{
	return kind >= 0 && kind < EVENT_KIND_COUNT ? kinds[kind].name : "?";
}

const char *event_kind_meaning(int kind)
{
	return kind >= 0 && kind < EVENT_KIND_COUNT ? kinds[kind].meaning : "?";
}

const char *drop_text(int why)
{
	return why >= 0 && why < DROP_COUNT ? drops[why] : "?";
}

const char *bad_text(int why)
{
	return why >= 0 && why < BAD_COUNT ? bads[why] : "?";
}

/* A lost message happens at nobody's place: its receiver never knew of it. */
int event_lane(const struct event *e)
{
	switch (e->kind) {
	case EVENT_DROP:
	case EVENT_FAULT:
	case EVENT_NOTE:
	case EVENT_VERDICT:
		return LANE_NONE;
	case EVENT_RECV:
	case EVENT_CALL:
		return e->dst;
	default:
		return e->src;
	}
}
