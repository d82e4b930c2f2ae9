/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Libraries that are there only where their hardware is: loaded when they are asked for.
 */
#ifndef FIO_DMABUF_LIBRARY_H
#define FIO_DMABUF_LIBRARY_H

#include "why.h"

/**
 * library_load - load a library, and look up what is used of it
 * @files: its file names, the first that is there is taken; ends with NULL
 * @symbols: names of functions; ends with NULL
 * @table: set to their addresses, in that order
 * @why: the reason of a failure
 *
 * It stays loaded: GPU libraries do not like to be unloaded.
 *
 * Return: 0; -ENOENT where there is no such library, -ENOSYS where it lacks a function.
 */
int library_load(const char *const files[], const char *const symbols[], void **table,
		 struct why *why);

#endif
