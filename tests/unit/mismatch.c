// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each way in which data can be wrong is called by its name, with the byte from which on; data that
 * is right is none of them. Sizes from a sector to a megabyte, sizes that are no whole sectors, and
 * content that is alike in all blocks.
 */
#include <string.h>

#include "engine/inspect.h"
#include "engine/mismatch.h"
#include "tests/unit/check.h"

#define MAX	(1 << 20)
#define PIECES	(MAX / MISMATCH_PIECE)

/* The right data lies within its surroundings. */
static unsigned char drive[MAX + 2 * MISMATCH_REACH], found[MAX], old[MAX];
static unsigned char *const right = drive + MISMATCH_REACH;
static uint64_t old_digests[PIECES], drive_digests[PIECES], poison_seq;
static struct mismatch m;

static const size_t sizes[] = { 512, 1000, 1024, 4096, 5000, 65536, MAX };
#define for_each_size(len)							\
	for (size_t s_ = 0, len; s_ < sizeof(sizes) / sizeof(*sizes) &&		\
	     (len = sizes[s_]); s_++)

static void fill(unsigned char *p, size_t len)
{
	static uint64_t x = 88172645463325252ULL;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = x >> 32;
	}
}

/* A read whose memory held @old and was poisoned; what a test changes is what went wrong. */
static struct evidence poisoned_read(size_t len)
{
	struct evidence e = {
		.found = found, .right = right, .len = len, .poisoned = true,
		.here = old_digests, .around = drive, .around_len = len + 2 * MISMATCH_REACH,
		.around_at = MISMATCH_REACH,
	};

	fill(drive, e.around_len);
	fill(old, len);
	mismatch_digest(old, len, old_digests);
	e.poison = inspect_poison(&poison_seq, found, len);
	return e;
}

/* A write to where the drive held @old; @found is what a plain read of it gives. */
static struct evidence compared_write(size_t len)
{
	struct evidence e = poisoned_read(len);

	e.poisoned = false;
	memcpy(found, old, len);
	return e;
}

static enum mismatch_class classify(const struct evidence *e)
{
	check(mismatch_any(e));
	mismatch_classify(e, &m);
	return m.class;
}

static void nothing_wrong(void)
{
	for_each_size(len) {
		struct evidence e = poisoned_read(len);

		memcpy(found, right, len);
		check(!mismatch_any(&e));
		e.right = NULL;
		check(!mismatch_any(&e));
		/* an earlier poison on the drive */
		inspect_poison(&poison_seq, found, len);
		check(!mismatch_any(&e));
		e.poisoned = false;
		check(!mismatch_any(&e));
		/* of a drive that had it before, and from a buffer that had it before */
		e.right = right;
		memcpy(found, right, len);
		mismatch_digest(right, len, old_digests);
		check(!mismatch_any(&e));
	}
	/* the end of what was read may be that of the poison by chance */
	for (size_t tail = 1; tail < 8; tail++) {
		struct evidence e = poisoned_read(4096 + tail);

		memcpy(found, right, 4096);
		e.right = NULL;
		check(!mismatch_any(&e));
	}
}

static void untouched(void)
{
	for_each_size(len) {
		struct evidence e = poisoned_read(len);

		check(classify(&e) == MISMATCH_UNTOUCHED && m.at == 0);
		/* also where nobody knows what is right, or what was before */
		e.right = e.around = NULL;
		e.here = NULL;
		check(classify(&e) == MISMATCH_UNTOUCHED && m.at == 0);
		if (len < 1536)
			continue;
		/* a hole, in the middle and at the beginning */
		e = poisoned_read(len);
		memcpy(found, right, 512);
		memcpy(found + 1024, right + 1024, len - 1024);
		check(classify(&e) == MISMATCH_UNTOUCHED && m.at == 512);
		e.right = e.around = NULL;
		check(classify(&e) == MISMATCH_UNTOUCHED && m.at == 512);
		e = poisoned_read(len);
		memcpy(found + 700, right + 700, len - 700);
		check(classify(&e) == MISMATCH_UNTOUCHED && m.at == 0);
		/* one that begins and ends within a sector */
		e = poisoned_read(len);
		memcpy(found, right, 300);
		memcpy(found + 700, right + 700, len - 700);
		check(classify(&e) == MISMATCH_UNTOUCHED);
		check(m.at >= 300 && m.at < 310);
	}
}

static void stale(void)
{
	for_each_size(len) {
		/* the memory has what it had before the poison, as of a cache not cleared */
		struct evidence e = poisoned_read(len);

		memcpy(found, old, len);
		check(classify(&e) == MISMATCH_STALE && m.at == 0);
		/* the write has not happened */
		e = compared_write(len);
		check(classify(&e) == MISMATCH_STALE && m.at == 0);
		/* the drive was given what the buffer had before */
		e = compared_write(len);
		mismatch_digest(old, len, drive_digests);
		e.earlier = drive_digests;
		e.here = NULL;
		check(classify(&e) == MISMATCH_STALE && m.at == 0);
		if (len < 2048)
			continue;
		/* from the third sector on; what was right before has not arrived */
		e = compared_write(len);
		memcpy(found, right, 1024);
		mismatch_digest(found, len, old_digests);
		check(classify(&e) == MISMATCH_STALE && m.at == 1024);
	}
}

static void shifted(void)
{
	static const ptrdiff_t shifts[] = {
		8, -8, 64, 512, -512, 4096, -4096, 32768, -65536, 60000,
	};

	for_each_size(len) {
		for (size_t i = 0; i < sizeof(shifts) / sizeof(*shifts); i++) {
			/* blocks from elsewhere on the drive */
			struct evidence e = poisoned_read(len);

			memcpy(found, right + shifts[i], len);
			check(classify(&e) == MISMATCH_SHIFTED);
			check(m.shift == shifts[i] && m.at < 8);
			/* also where they have been for long */
			e.poisoned = false;
			check(classify(&e) == MISMATCH_SHIFTED && m.shift == shifts[i]);
		}
	}
	for_each_size(len) {
		/* it has arrived, but so far behind where it should */
		for (size_t by = 8; by < len - len / 3; by *= 2) {
			struct evidence e = poisoned_read(len);

			memcpy(found + by, right, len - by);
			if (len - by < 512 && len > 1024)
				continue;
			e.around = NULL;
			check(classify(&e) == MISMATCH_SHIFTED && m.shift == -(ptrdiff_t)by);
			/* or from there on */
			memcpy(found, right, len);
			memmove(found + len / 3, right + len / 3 + 8, len - len / 3 - 8);
			check(classify(&e) == MISMATCH_SHIFTED && m.shift == 8);
		}
	}
	for_each_size(len) {
		/* behind sectors that are from nowhere; and fewer bytes are no evidence */
		struct evidence e = poisoned_read(len);

		fill(found, len);
		if (len >= 4096) {
			memcpy(found + 2048, right + 1024, len - 2048);
			check(classify(&e) == MISMATCH_SHIFTED && m.shift == -1024 && m.at < 2);
		}
		fill(found, len);
		memcpy(found + 240, right, 48);
		check(classify(&e) == MISMATCH_OTHER && m.at < 2);
	}
	/* zeroes are no data from elsewhere */
	for_each_size(len) {
		struct evidence e = poisoned_read(len);

		memset(drive, 0, MISMATCH_REACH);
		memset(found, 0, len);
		check(classify(&e) == MISMATCH_OTHER);
	}
}

static void partial(void)
{
	for_each_size(len) {
		for (size_t upto = 20; upto + 8 <= len; upto += upto) {
			struct evidence e = poisoned_read(len);

			memcpy(found, right, upto);
			check(classify(&e) == MISMATCH_PARTIAL && m.then == MISMATCH_UNTOUCHED);
			/* the first bytes of the poison may be the right ones */
			check(m.at >= upto && m.at < upto + 8);
			if (upto < 64)
				continue;
			memcpy(found + upto, drive, len - upto < MISMATCH_REACH ? len - upto :
			       MISMATCH_REACH);
			e.around = NULL;
			check(classify(&e) == MISMATCH_PARTIAL);
			check(m.then == MISMATCH_OTHER || len - upto > MISMATCH_REACH);
		}
		if (len < 1024)
			continue;
		/* the rest is as it was */
		for (size_t upto = 512; upto < len; upto += upto) {
			struct evidence e = compared_write(len);

			memcpy(found, right, upto);
			check(classify(&e) == MISMATCH_PARTIAL);
			check(m.then == MISMATCH_STALE && m.at == upto);
			/* filled and not filled are told apart without knowing what is right */
			e = poisoned_read(len);
			memcpy(found, right, upto);
			e.right = e.around = NULL;
			e.here = NULL;
			if (len - upto < 8)
				continue;
			check(classify(&e) == MISMATCH_PARTIAL);
			check(m.then == MISMATCH_UNTOUCHED && m.at == upto);
			/* what replaced the poison has arrived, even if it had been there before */
			e.right = right;
			e.here = old_digests;
			mismatch_digest(right, len, old_digests);
			check(classify(&e) == MISMATCH_PARTIAL);
		}
	}
}

static void other(void)
{
	for_each_size(len) {
		struct evidence e = poisoned_read(len);

		/* neither this nor that, though it begins as all blocks do */
		for (size_t alike = 0; alike < 64; alike += 21) {
			fill(found, len);
			memcpy(found, right, alike);
			check(classify(&e) == MISMATCH_OTHER && m.at >= alike && m.at <= alike + 2);
		}
		/* a single bit, wherever it is */
		for (size_t at = 0; at < len; at += at < 2000 ? 1 : 9973) {
			memcpy(found, right, len);
			found[at] ^= 0x10;
			check(classify(&e) == MISMATCH_OTHER && m.at == at);
		}
		memcpy(found, right, len);
		found[len - 1] ^= 0x80;
		check(classify(&e) == MISMATCH_OTHER && m.at == len - 1);
		found[len - 2] ^= 0xff;
		found[len - 3] ^= 0xff;
		check(classify(&e) == MISMATCH_OTHER && m.at == len - 3);
		if (len < 2048)
			continue;
		/* a sector in the middle */
		memcpy(found, right, len);
		fill(found + 1024, 512);
		check(classify(&e) == MISMATCH_OTHER && m.at >= 1024 && m.at < 1030);
	}
}

static void words(void)
{
	static const char *const names[] = { "untouched", "stale", "shifted", "partial", "other" };
	struct evidence e = poisoned_read(4096);
	char text[128];

	check(sizeof(names) / sizeof(*names) == NR_MISMATCHES);
	for (unsigned int i = 0; i < NR_MISMATCHES; i++)
		check(!strcmp(mismatch_name(i), names[i]));

	memcpy(found, right - 512, 4096);
	classify(&e);
	mismatch_text(&e, &m, text, sizeof(text));
	check(!strcmp(text, "there is data that belongs 512 bytes further back"));
	e = poisoned_read(4096);
	memcpy(found, right, 2048);
	classify(&e);
	mismatch_text(&e, &m, text, sizeof(text));
	check(!strcmp(text, "right up to there, then untouched"));

	mismatch_dump("0123456789abcdef", 16, 3, text, 80);
	check(!strcmp(text, "3334353637383961 6263646566"));
	mismatch_dump(right, 4096, 4096 - 64, text, 80);
	check(strlen(text) == 67);
	mismatch_dump(right, 4096, 4095, text, 80);
	check(strlen(text) == 2);
}

int main(void)
{
	poison_seq = inspect_seed();
	nothing_wrong();
	untouched();
	stale();
	shifted();
	partial();
	other();
	words();
	return 0;
}
