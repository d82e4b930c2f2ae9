/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Data that is not what it should be: which way it is wrong, and where, says what went wrong.
 *
 *	untouched  nothing arrived: the poison is still there
 *	stale      nothing arrived: there is what the buffer or the drive held before
 *	shifted    the right data, but from another place
 *	partial    right up to a point, then none of it
 *	other      none of these
 */
#ifndef FIO_DMABUF_MISMATCH_H
#define FIO_DMABUF_MISMATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Data is looked at in pieces of so many bytes, the fewest that a drive moves. */
#define MISMATCH_PIECE	512

/* How much of the surroundings on each side is worth looking for shifted data in. */
#define MISMATCH_REACH	65536

enum mismatch_class {
	MISMATCH_UNTOUCHED,
	MISMATCH_STALE,
	MISMATCH_SHIFTED,
	MISMATCH_PARTIAL,
	MISMATCH_OTHER,
	NR_MISMATCHES,
};

/**
 * struct evidence - what is known of the data of an I/O
 * @found: what is there
 * @right: what should be, or NULL if that is not known
 * @len: of both
 * @poisoned: the memory was filled with @poison before
 * @poison: what inspect_poison() returned
 * @here: mismatch_digest() of what the place of @found held before the I/O, or NULL
 * @earlier: likewise, of other data that may have been taken for the right one, or NULL
 * @around: a longer stretch that has the bytes of @right in it, or NULL
 * @around_len: its length
 * @around_at: where in it @right is
 */
struct evidence {
	const void *found;
	const void *right;
	size_t len;
	bool poisoned;
	uint64_t poison;
	const uint64_t *here;
	const uint64_t *earlier;
	const void *around;
	size_t around_len;
	size_t around_at;
};

/**
 * struct mismatch - what is wrong
 * @class: which way
 * @at: the byte from which on
 * @then: of partial: what follows; untouched, stale or other
 * @shift: of shifted: how far from here the data that is found belongs, in bytes
 */
struct mismatch {
	enum mismatch_class class;
	size_t at;
	enum mismatch_class then;
	ptrdiff_t shift;
};

/**
 * mismatch_name - the word for a class, the same wherever it is written
 * @class: the class
 *
 * Return: the word.
 */
const char *mismatch_name(enum mismatch_class class);

/**
 * mismatch_digest - remember what is there, briefly
 * @mem: the memory
 * @len: its length
 * @to: gets one number, never 0, for each piece of MISMATCH_PIECE bytes, the last one shorter
 */
void mismatch_digest(const void *mem, size_t len, uint64_t *to);

/**
 * mismatch_any - is something wrong?
 * @e: the evidence; @around does not matter
 *
 * Without @right, only a whole piece of poison is known to be wrong.
 *
 * Return: true if so.
 */
bool mismatch_any(const struct evidence *e);

/**
 * mismatch_classify - what is wrong
 * @e: the evidence, for which mismatch_any() is true
 * @m: filled in
 *
 * Without @around, data that is shifted is only found if it comes from within @right.
 */
void mismatch_classify(const struct evidence *e, struct mismatch *m);

/**
 * mismatch_text - what is wrong, in words
 * @e: the evidence
 * @m: what mismatch_classify() made of it
 * @text: where to, a single line without the name of the class
 * @size: of that
 */
void mismatch_text(const struct evidence *e, const struct mismatch *m, char *text, size_t size);

/**
 * mismatch_dump - the bytes from where it is wrong on
 * @mem: found or right
 * @len: its length
 * @at: the first byte to show
 * @text: where to; up to 32 bytes in hex
 * @size: of that; 80 is enough
 */
void mismatch_dump(const void *mem, size_t len, size_t at, char *text, size_t size);

#endif
