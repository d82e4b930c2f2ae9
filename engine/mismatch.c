// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data that is not what it should be. It is looked at piece by piece: what a drive or an IOMMU does
 * wrong, it does to whole sectors or pages.
 */
#include <stdio.h>
#include <string.h>

#include "inspect.h"
#include "mismatch.h"

/* Bytes that are looked for elsewhere. */
#define KEY	32

/* So many bytes in a row are the same by design, not by chance. */
#define SURE	8

/* Pieces that are looked for elsewhere, and places that are looked at for each. */
#define TRIES	8
#define PLACES	64

/* Headers of a block's data begin alike. Fewer right bytes are not yet a part that arrived. */
#define HEADER	64

#define DUMP	32

/* What a piece is. */
enum state {
	RIGHT,
	SAME,		/* right, but was so before: says nothing */
	UNTOUCHED,
	STALE,
	OTHER,
};

static const char *const names[NR_MISMATCHES] = {
	[MISMATCH_UNTOUCHED]	= "untouched",
	[MISMATCH_STALE]	= "stale",
	[MISMATCH_SHIFTED]	= "shifted",
	[MISMATCH_PARTIAL]	= "partial",
	[MISMATCH_OTHER]	= "other",
};

const char *mismatch_name(enum mismatch_class class)
{
	return names[class];
}

static size_t piece_len(size_t len, size_t at)
{
	return len - at < MISMATCH_PIECE ? len - at : MISMATCH_PIECE;
}

static uint64_t digest(const unsigned char *p, size_t len)
{
	uint64_t d = len, word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		d = (d ^ word) * 0x9e3779b97f4a7c15ULL;
		d ^= d >> 29;
	}
	for (; len; len--)
		d = (d ^ *p++) * 0x9e3779b97f4a7c15ULL;
	return (d ^ d >> 32) | 1;
}

void mismatch_digest(const void *mem, size_t len, uint64_t *to)
{
	for (size_t at = 0; at < len; at += MISMATCH_PIECE)
		*to++ = digest((const unsigned char *)mem + at, piece_len(len, at));
}

/* Is what is found what there was before? */
static bool was_before(const struct evidence *e, const uint64_t *before, size_t at, size_t len)
{
	return before && before[at / MISMATCH_PIECE] ==
			 digest((const unsigned char *)e->found + at, len);
}

static enum state state_of(const struct evidence *e, size_t at)
{
	const unsigned char *found = e->found, *right = e->right;
	size_t len = piece_len(e->len, at);

	if (right && !memcmp(found + at, right + at, len))
		return !e->poisoned && was_before(e, e->here, at, len) ? SAME : RIGHT;
	/* the few bytes of a short tail may be so by chance */
	if (e->poisoned && (len >= SURE || !at) && inspect_is_poison(e->poison, found, at, len))
		return UNTOUCHED;
	if (!right)
		return RIGHT;
	if (was_before(e, e->here, at, len) || was_before(e, e->earlier, at, len))
		return STALE;
	return OTHER;
}

bool mismatch_any(const struct evidence *e)
{
	if (e->right)
		return memcmp(e->found, e->right, e->len);
	for (size_t at = 0; e->poisoned && at < e->len; at += MISMATCH_PIECE) {
		if (state_of(e, at) == UNTOUCHED)
			return true;
	}
	return false;
}

/* Bytes that are all the same say nothing about where they belong. */
static bool is_flat(const unsigned char *p, size_t len)
{
	return !memcmp(p, p + 1, len - 1);
}

/* How many bytes around @at of what is found are those around @there. */
static size_t run_length(const struct evidence *e, size_t at, size_t there)
{
	const unsigned char *found = e->found, *around = e->around;
	size_t back = 0, on = 0;

	while (back < at && back < there && found[at - back - 1] == around[there - back - 1])
		back++;
	while (at + on < e->len && there + on < e->around_len &&
	       found[at + on] == around[there + on])
		on++;
	return back + on;
}

/* Are the bytes at @at data from elsewhere? A piece's worth of it has to be. */
static bool from_elsewhere(const struct evidence *e, size_t at, ptrdiff_t *shift)
{
	size_t enough = e->len / 4 < MISMATCH_PIECE ? e->len / 4 : MISMATCH_PIECE;
	const unsigned char *key = (const unsigned char *)e->found + at;
	const unsigned char *around = e->around, *hit;
	size_t from = 0;

	if (is_flat(key, KEY))
		return false;
	for (unsigned int i = 0; i < PLACES && from < e->around_len; i++) {
		hit = memmem(around + from, e->around_len - from, key, KEY);
		if (!hit)
			return false;
		from = hit - around;
		if (from != e->around_at + at && run_length(e, at, from) >= enough) {
			*shift = (ptrdiff_t)from - (ptrdiff_t)(e->around_at + at);
			return true;
		}
		from++;
	}
	return false;
}

/* Data that is shifted by a part of a piece leaves other bytes at one of its ends. */
static bool piece_from_elsewhere(const struct evidence *e, size_t at, ptrdiff_t *shift)
{
	size_t len = piece_len(e->len, at);

	if (len < KEY)
		return false;
	return from_elsewhere(e, at + (len - KEY) / 2, shift) || from_elsewhere(e, at, shift) ||
	       from_elsewhere(e, at + len - KEY, shift);
}

static bool find_shift(const struct evidence *given, struct mismatch *m)
{
	struct evidence e = *given;
	unsigned int tries = 0;

	if (!e.right)
		return false;
	if (!e.around) {
		e.around = e.right;
		e.around_len = e.len;
		e.around_at = 0;
	}
	for (size_t at = 0; at < e.len && tries < TRIES; at += MISMATCH_PIECE) {
		if (state_of(&e, at) != OTHER)
			continue;
		if (piece_from_elsewhere(&e, at, &m->shift))
			return true;
		tries++;
	}
	return false;
}

/*
 * The first wrong piece is neither untouched nor stale as a whole. Is it where the data ends, right
 * up to @m->at and then nothing of it? Else some bytes in it were changed.
 */
static bool ends_within(const struct evidence *e, size_t start, struct mismatch *m)
{
	const unsigned char *found = e->found, *right = e->right;
	size_t end = start + piece_len(e->len, start), same = 0;

	if (end - m->at < SURE)
		return false;
	if (m->at > start && e->poisoned &&
	    inspect_is_poison(e->poison, found, m->at, end - m->at)) {
		m->then = MISMATCH_UNTOUCHED;
		return true;
	}
	for (size_t i = m->at; i < end; i++)
		same += found[i] == right[i];
	return same < (end - m->at) / 2;
}

void mismatch_classify(const struct evidence *e, struct mismatch *m)
{
	const unsigned char *found = e->found, *right = e->right;
	bool arrived = false, later = false, ends = true;
	enum state state = RIGHT;
	size_t start;

	*m = (struct mismatch){ .class = MISMATCH_OTHER, .then = MISMATCH_OTHER };

	for (start = 0; start < e->len; start += MISMATCH_PIECE) {
		state = state_of(e, start);
		if (state != RIGHT && state != SAME)
			break;
		arrived |= state == RIGHT;
	}
	for (size_t at = start; at < e->len && !later; at += MISMATCH_PIECE)
		later = state_of(e, at) == RIGHT;

	m->at = start;
	if (state == UNTOUCHED) {
		m->then = MISMATCH_UNTOUCHED;
	} else if (state == STALE) {
		m->then = MISMATCH_STALE;
	} else if (right) {
		while (found[m->at] == right[m->at])
			m->at++;
		ends = ends_within(e, start, m);
		arrived |= m->at - start >= HEADER ||
			   (m->at > start && m->then == MISMATCH_UNTOUCHED);
	}
	m->class = arrived && ends && !later ? MISMATCH_PARTIAL : m->then;
	/* says more than that it begins well, or with a hole */
	if (find_shift(e, m))
		m->class = MISMATCH_SHIFTED;
}

void mismatch_text(const struct evidence *e, const struct mismatch *m, char *text, size_t size)
{
	switch (m->class) {
	case MISMATCH_UNTOUCHED:
		snprintf(text, size, "the memory still holds its poison");
		break;
	case MISMATCH_STALE:
		snprintf(text, size, "there is what was there before");
		break;
	case MISMATCH_SHIFTED:
		snprintf(text, size, "there is data that belongs %td bytes further %s",
			 m->shift < 0 ? -m->shift : m->shift, m->shift < 0 ? "back" : "on");
		break;
	case MISMATCH_PARTIAL:
		snprintf(text, size, "%s up to there, then %s", e->right ? "right" : "filled",
			 names[m->then]);
		break;
	default:
		snprintf(text, size, "neither right nor what was there before");
		break;
	}
}

void mismatch_dump(const void *mem, size_t len, size_t at, char *text, size_t size)
{
	const unsigned char *p = mem;
	size_t end = len - at < DUMP ? len : at + DUMP, used = 0;

	*text = '\0';
	for (size_t i = at; i < end && used < size; i++)
		used += snprintf(text + used, size - used, "%s%02x",
				 i > at && (i - at) % 8 == 0 ? " " : "", p[i]);
}
