/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Did the data arrive? Poison that a read must overwrite, and a comparison with a
 * plain read of the same range.
 */
#ifndef FIO_DMABUF_INSPECT_H
#define FIO_DMABUF_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "why.h"

/**
 * inspect_seed - start a sequence of poison values
 *
 * Return: a random start, so that no earlier run has left the same values on a drive.
 */
uint64_t inspect_seed(void);

/**
 * inspect_poison - overwrite memory with a value used only once
 * @seq: the sequence; advanced
 * @mem: the memory
 * @len: its length
 *
 * Return: the value, for inspect_untouched().
 */
uint64_t inspect_poison(uint64_t *seq, void *mem, size_t len);

/**
 * inspect_untouched - look for poison that is still there
 * @poison: what inspect_poison() returned
 * @mem: the memory
 * @len: how much of it a read claims to have filled
 * @at: where the first untouched piece is
 *
 * Looks at 512 bytes at a time, the smallest piece a drive moves.
 *
 * Return: true if a whole piece is untouched.
 */
bool inspect_untouched(uint64_t poison, const void *mem, size_t len, size_t *at);

/**
 * inspect_compare - compare memory with what a plain pread() of the target gives
 * @fd: an open file of the target that is used for nothing else
 * @offset: where in the target
 * @mem: the memory
 * @len: its length
 * @scratch: at least @len bytes to read into, aligned for O_DIRECT
 * @at: where the first difference is
 * @why: the reason of a failure
 *
 * Return: 0 if equal, 1 if not, a negative errno if the target could not be read.
 */
int inspect_compare(int fd, off_t offset, const void *mem, size_t len, void *scratch, size_t *at,
		    struct why *why);

#endif
