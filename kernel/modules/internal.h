/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module's files share. Each knows of those below it only:
 *
 *	main.c				the device and its ioctls
 *	buffer.c			a dma-buf, and what devices do with it
 *	knobs.c				a buffer's folder in debugfs
 *	move.c	fence.c	cpu.c		moves; fences; what the CPU does with a buffer
 *	pages.c		bar.c		the two kinds of memory
 *
 * The reservation lock of a dma-buf protects all that changes in its buffer.
 */
#ifndef DMABUF_TEST_INTERNAL_H
#define DMABUF_TEST_INTERNAL_H

#include <linux/dma-direction.h>
#include <linux/init.h>
#include <linux/scatterlist.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct dentry;
struct dma_buf;
struct dma_buf_attachment;
struct dmabuf_test_bar;
struct iosys_map;
struct page;
struct pci_dev;
struct vm_area_struct;

/**
 * struct generation - the memory of a buffer between two moves
 * @node: among those that the buffer has left
 * @users: the buffer while it is here, and mappings
 * @nr_pages: number of pages
 * @pages: the pages, each its own allocation
 *
 * Once the buffer has moved on and nothing maps it any more, it is poisoned,
 * and kept for some time to see whether anybody still writes to it.
 */
struct generation {
	struct list_head node;
	unsigned int users;
	pgoff_t nr_pages;
	struct page *pages[];
};

/**
 * struct buffer - what is behind a dma-buf
 * @dmabuf: the dma-buf that it is for, once there is one
 * @id: its number, unique while it lives
 * @dir: its folder in debugfs
 * @mappings: those of devices
 * @pins: how often it is pinned; it can't move then
 * @vmaps: mappings of the kernel's own, likewise
 * @mover: moves it by itself
 * @order: pages: log2 of the pages in a chunk
 * @gen: pages: where it is; NULL for a BAR
 * @retired: pages: where it was, and nothing maps it any more
 * @pdev: a BAR: the device, enabled; NULL for pages
 * @phys: a BAR: its address for the CPU
 * @bus: a BAR: its address on the bus
 * @map_bus: a BAR: hand out @bus, map nothing
 * @move_every_ms: set by the user, as are those to @refuse_map: see README.md
 * @move_delay_ms: likewise
 * @map_delay_ms: likewise
 * @map_fence_ms: likewise
 * @refuse_attach: likewise
 * @refuse_map: likewise
 * @attached: attachments at the moment
 * @mapped: mappings at the moment
 * @maps: counted, as are those to @stale
 * @unmaps: likewise
 * @moves: likewise
 * @stale: pages of generations that were written to after they were retired
 */
struct buffer {
	struct dma_buf *dmabuf;
	int id;
	struct dentry *dir;
	struct list_head mappings;
	unsigned int pins;
	unsigned int vmaps;
	struct delayed_work mover;

	unsigned int order;
	struct generation *gen;
	struct list_head retired;

	struct pci_dev *pdev;
	phys_addr_t phys;
	dma_addr_t bus;
	bool map_bus;

	u32 move_every_ms;
	u32 move_delay_ms;
	u32 map_delay_ms;
	u32 map_fence_ms;
	u32 refuse_attach;
	u32 refuse_map;

	u32 attached;
	u32 mapped;
	unsigned long maps;
	unsigned long unmaps;
	unsigned long moves;
	unsigned long stale;
};

/**
 * struct mapping - a buffer, or where it was, mapped for a device
 * @node: among the buffer's
 * @sgt: what the importer has of it
 * @dev: the device
 * @dir: which way data goes
 * @gen: what is mapped; NULL for a BAR
 */
struct mapping {
	struct list_head node;
	struct sg_table sgt;
	struct device *dev;
	enum dma_data_direction dir;
	struct generation *gen;
};

/* pages.c ----------------------------------------------------------------- */

/**
 * generation_alloc - memory for a buffer
 * @size: in bytes, a multiple of the chunk; may be 0
 * @order: log2 of the pages in a chunk
 *
 * Return: zeroed memory with one user, its chunks in no order, or NULL.
 */
struct generation *generation_alloc(size_t size, unsigned int order);

/**
 * generation_free - give memory back at once
 * @gen: memory that no buffer had, and no device
 */
void generation_free(struct generation *gen);

/**
 * pages_move - move a buffer of pages to other memory, with its content
 * @buf: the buffer, its reservation lock held, used by no CPU
 * @to: memory of the same size, the buffer's from now on
 *
 * Memory that it left at earlier moves is checked and freed.
 */
void pages_move(struct buffer *buf, struct generation *to);

/**
 * pages_map - map a buffer of pages for a device
 * @buf: the buffer, its reservation lock held
 * @mapping: its device and direction; gets the rest
 *
 * Return: 0, or a negative errno, and there is nothing to undo.
 */
int pages_map(struct buffer *buf, struct mapping *mapping);

/**
 * pages_unmap - undo pages_map()
 * @attach: the attachment, as the importer says, its reservation lock held
 * @mapping: the mapping, of memory that the buffer may have left
 * @dir: as the importer says, too: for the DMA API's checks to compare
 */
void pages_unmap(struct dma_buf_attachment *attach, struct mapping *mapping,
		 enum dma_data_direction dir);

/**
 * pages_release - check and free all of a buffer's memory
 * @buf: a buffer of pages that nobody uses
 */
void pages_release(struct buffer *buf);

/* bar.c ------------------------------------------------------------------- */

/**
 * bar_find - make a buffer a piece of a PCI device's BAR
 * @buf: the buffer
 * @arg: which piece, its reserved bits and ranges checked; a size of 0 becomes
 *	what there is
 *
 * Return: 0 with the device enabled; -ENODEV; -EINVAL if there is no such piece
 * of memory; -EBUSY if the device has a driver; what enabling it failed with.
 */
int bar_find(struct buffer *buf, struct dmabuf_test_bar *arg);

/**
 * bar_attach - can this device do peer-to-peer with a BAR?
 * @buf: a buffer of a BAR
 * @attach: of the device
 *
 * Return: 0; -EOPNOTSUPP if the importer can't; -EXDEV if the kernel thinks that
 * the device does not reach the BAR, unless it was told not to think.
 */
int bar_attach(struct buffer *buf, struct dma_buf_attachment *attach);

/**
 * bar_map - map a BAR for a device
 * @buf: a buffer of a BAR
 * @mapping: its device and direction; gets the rest
 *
 * Return: 0, or a negative errno, and there is nothing to undo.
 */
int bar_map(struct buffer *buf, struct mapping *mapping);

/**
 * bar_unmap - undo bar_map()
 * @attach: the attachment, as the importer says
 * @mapping: the mapping
 * @dir: as the importer says, too: for the DMA API's checks to compare
 */
void bar_unmap(struct dma_buf_attachment *attach, struct mapping *mapping,
	       enum dma_data_direction dir);

/**
 * bar_release - undo bar_find()
 * @buf: a buffer of a BAR that nobody uses
 */
void bar_release(struct buffer *buf);

/* cpu.c ------------------------------------------------------------------- */

/**
 * cpu_begin_access - the CPU is going to look: &dma_buf_ops.begin_cpu_access
 * @dmabuf: the dma-buf, its reservation lock not held
 * @dir: which way data goes
 *
 * Return: 0, or -EINTR.
 */
int cpu_begin_access(struct dma_buf *dmabuf, enum dma_data_direction dir);

/**
 * cpu_end_access - the CPU has looked: &dma_buf_ops.end_cpu_access
 * @dmabuf: the dma-buf, its reservation lock not held
 * @dir: which way data went
 *
 * Return: 0, or -EINTR.
 */
int cpu_end_access(struct dma_buf *dmabuf, enum dma_data_direction dir);

/**
 * cpu_mmap - map for user space: &dma_buf_ops.mmap
 * @dmabuf: the dma-buf
 * @vma: where. Pages are found when they are touched, and forgotten when the
 *	buffer moves.
 *
 * Return: 0, or -EINVAL if it is private, or a piece of a BAR inside a page.
 */
int cpu_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);

/**
 * cpu_vmap - map for the kernel: &dma_buf_ops.vmap
 * @dmabuf: the dma-buf, its reservation lock held
 * @map: returns where. It does not follow: the buffer stays while it is there.
 *
 * Return: 0, or -ENOMEM.
 */
int cpu_vmap(struct dma_buf *dmabuf, struct iosys_map *map);

/**
 * cpu_vunmap - undo cpu_vmap(): &dma_buf_ops.vunmap
 * @dmabuf: the dma-buf, its reservation lock held
 * @map: what cpu_vmap() returned
 */
void cpu_vunmap(struct dma_buf *dmabuf, struct iosys_map *map);

/* move.c ------------------------------------------------------------------ */

/**
 * buffer_move - move now
 * @buf: the buffer, its reservation lock not held
 *
 * Takes the memory away from all who use it, and gives them other memory with
 * the same content. A BAR stays where it is; its users have to map it anew.
 *
 * Return: 0; -EBUSY if it is pinned or has a kernel mapping; -ENOENT if its last
 * reference is gone; -ENOMEM; -EINTR.
 */
int buffer_move(struct buffer *buf);

/**
 * mover_init - prepare a new buffer for mover_set()
 * @buf: the buffer
 */
void mover_init(struct buffer *buf);

/**
 * mover_set - let a buffer move by itself
 * @buf: the buffer, its reservation lock not held
 * @ms: the interval, up to INT_MAX; 0 for no more, and then none is under way
 */
void mover_set(struct buffer *buf, u32 ms);

/**
 * movers_init - before the first buffer
 *
 * Return: 0, or -ENOMEM.
 */
int __init movers_init(void);

/**
 * movers_exit - after the last buffer
 */
void movers_exit(void);

/* fence.c ----------------------------------------------------------------- */

/**
 * fence_add - say that the memory is not to be used yet
 * @buf: the buffer, its reservation lock held
 * @ms: how long not
 *
 * Adds a fence to the dma-buf's reservation as kernels' own, for which all have
 * to wait. It keeps nothing of the buffer, which may go before it signals.
 *
 * Return: 0, or -ENOMEM.
 */
int fence_add(struct buffer *buf, u32 ms);

/**
 * fences_exit - after the last fence, which is when the module can go
 */
void fences_exit(void);

/* knobs.c ----------------------------------------------------------------- */

/**
 * knobs_add - make a buffer's folder
 * @buf: the buffer, exported
 */
void knobs_add(struct buffer *buf);

/**
 * knobs_remove - remove a buffer's folder, once nobody is in its files
 * @buf: the buffer
 */
void knobs_remove(struct buffer *buf);

/**
 * knobs_init - before the first buffer: make the folder of folders
 */
void __init knobs_init(void);

/**
 * knobs_exit - after the last buffer
 */
void knobs_exit(void);

/* buffer.c ---------------------------------------------------------------- */

/**
 * buffer_alloc - a buffer that has no memory yet
 *
 * Return: the buffer, or an ERR_PTR().
 */
struct buffer *buffer_alloc(void);

/**
 * buffer_free - free a buffer that is no dma-buf's
 * @buf: the buffer, with what memory it has
 */
void buffer_free(struct buffer *buf);

/**
 * buffer_export - make a dma-buf of a buffer
 * @buf: the buffer, the dma-buf's from now on, or gone
 * @size: in bytes, of its memory
 *
 * Return: the dma-buf, or an ERR_PTR().
 */
struct dma_buf *buffer_export(struct buffer *buf, size_t size);

#endif
