/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Did the data arrive? Poison that a read must overwrite, and a plain read of the same range to
 * compare with.
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
 * Return: the value, for inspect_is_poison().
 */
uint64_t inspect_poison(uint64_t *seq, void *mem, size_t len);

/**
 * inspect_is_poison - is the poison still there?
 * @poison: what inspect_poison() returned
 * @mem: the memory, from where it was filled
 * @at: where to look
 * @len: how many bytes
 *
 * Return: true if all of them are poison.
 */
bool inspect_is_poison(uint64_t poison, const void *mem, size_t at, size_t len);

/**
 * inspect_read - read by a path that has nothing to do with the job's
 * @fd: an open file of the target that is used for nothing else
 * @offset: where in the target
 * @to: where to, aligned for O_DIRECT
 * @len: how many bytes
 * @why: the reason of a failure
 *
 * Return: how many bytes there are, fewer at the end of the target; or a negative errno.
 */
ssize_t inspect_read(int fd, off_t offset, void *to, size_t len, struct why *why);

#endif
