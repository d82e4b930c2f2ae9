/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Libraries that are there only where their hardware is: loaded when they are asked for.
 */
#ifndef FIO_DMABUF_LIBRARY_H
#define FIO_DMABUF_LIBRARY_H

#include "why.h"

/**
 * struct library - a library, and what is used of it
 * @files: its file names, the first that can be loaded is taken; ends with NULL
 * @symbols: names of functions; ends with NULL
 * @remedy: what to do where it cannot be used
 */
struct library {
	const char *const *files;
	const char *const *symbols;
	const char *remedy;
};

/**
 * library_look - can a library be used?
 * @library: which one
 * @why: the reason if not, without the remedy
 *
 * Loads it; as library_load().
 */
int library_look(const struct library *library, struct why *why);

/**
 * library_load - load a library, and look up what is used of it
 * @library: which one
 * @table: set to the addresses of its functions, in their order
 * @why: the reason of a failure, with the remedy
 *
 * It stays loaded: GPU libraries do not like to be unloaded.
 *
 * Return: 0; -ENOENT where none can be loaded, -ENOSYS where it lacks a function.
 */
int library_load(const struct library *library, void **table, struct why *why);

#endif
