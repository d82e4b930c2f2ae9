/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that a PCI device offers to others.
 */
#ifndef FIO_DMABUF_MEMORY_P2PMEM_H
#define FIO_DMABUF_MEMORY_P2PMEM_H

#include "why.h"

/* Room for the address of a PCI device. */
#define P2PMEM_NAME	64

/**
 * p2pmem_find - which device is it that offers memory?
 * @name: set to its address, P2PMEM_NAME bytes
 * @wanted: the address of the one that is meant, or NULL for the first that offers some
 * @why: see there
 *
 * Return: 0, or -ENODEV where there is none.
 */
int p2pmem_find(char *name, const char *wanted, struct why *why);

#endif
