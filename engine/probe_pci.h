/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fio-dmabuf-probe: PCI devices, and the way from one to another.
 */
#ifndef FIO_DMABUF_PROBE_PCI_H
#define FIO_DMABUF_PROBE_PCI_H

#include "probe.h"

#define PCI_DEVICES	"/sys/bus/pci/devices"

/**
 * pci_under - the PCI device that something in sysfs belongs to
 * @address: where to, PROBE_NAME bytes; empty where there is none
 * @path: a path in sysfs; links are followed
 *
 * Return: @address.
 */
char *pci_under(char *address, const char *path);

/**
 * pci_iommu - what is known of the IOMMU in front of a device
 * @row: gets its group and mode: strict, lazy, passthrough, none, or the kernel's word
 * @address: the device; empty for one that is not on PCI
 */
void pci_iommu(struct probe_row *row, const char *address);

/**
 * pci_reach - can one device read and write the other's memory?
 * @row: gets the answer, as the kernel would find it (calc_map_type_and_dist() in
 *       drivers/pci/p2pdma.c)
 * @a: the address of the one with the memory
 * @b: that of the other
 */
void pci_reach(struct probe_row *row, const char *a, const char *b);

#endif
