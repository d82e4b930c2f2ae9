// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the CPU sees of a buffer: caches, mappings of user space and the kernel.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/io.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "internal.h"

static int sync_mappings(struct buffer *buf, enum dma_data_direction dir, bool for_cpu)
{
	struct mapping *mapping;
	int ret;

	ret = dma_resv_lock_interruptible(buf->dmabuf->resv, NULL);
	if (ret)
		return ret;
	list_for_each_entry(mapping, &buf->mappings, node) {
		if (!mapping->gen)
			continue;
		if (for_cpu)
			dma_sync_sgtable_for_cpu(mapping->dev, &mapping->sgt, dir);
		else
			dma_sync_sgtable_for_device(mapping->dev, &mapping->sgt, dir);
	}
	dma_resv_unlock(buf->dmabuf->resv);
	return 0;
}

int cpu_begin_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return sync_mappings(dmabuf->priv, dir, true);
}

int cpu_end_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return sync_mappings(dmabuf->priv, dir, false);
}

static vm_fault_t cpu_fault(struct vm_fault *vmf)
{
	struct buffer *buf = vmf->vma->vm_private_data;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	unsigned long pfn;

	if (dma_resv_lock_interruptible(buf->dmabuf->resv, NULL))
		return VM_FAULT_NOPAGE;
	if (vmf->pgoff < buf->dmabuf->size >> PAGE_SHIFT) {
		pfn = buf->pdev ? PHYS_PFN(buf->phys) + vmf->pgoff
				: page_to_pfn(buf->gen->pages[vmf->pgoff]);
		ret = vmf_insert_pfn(vmf->vma, vmf->address, pfn);
	}
	dma_resv_unlock(buf->dmabuf->resv);
	return ret;
}

static const struct vm_operations_struct cpu_vm_ops = {
	.fault = cpu_fault,
};

int cpu_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct buffer *buf = dmabuf->priv;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (buf->pdev && !PAGE_ALIGNED(buf->phys))
		return -EINVAL;
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	if (buf->pdev) {
		vm_flags_set(vma, VM_IO);
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	}
	vma->vm_private_data = buf;
	vma->vm_ops = &cpu_vm_ops;
	return 0;
}

int cpu_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct buffer *buf = dmabuf->priv;
	void __iomem *iomem;
	void *vaddr;

	if (buf->pdev) {
		iomem = ioremap(buf->phys, dmabuf->size);
		if (!iomem)
			return -ENOMEM;
		iosys_map_set_vaddr_iomem(map, iomem);
	} else {
		vaddr = vmap(buf->gen->pages, buf->gen->nr_pages, VM_MAP, PAGE_KERNEL);
		if (!vaddr)
			return -ENOMEM;
		iosys_map_set_vaddr(map, vaddr);
	}
	buf->vmaps++;
	return 0;
}

void cpu_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct buffer *buf = dmabuf->priv;

	if (map->is_iomem)
		iounmap(map->vaddr_iomem);
	else
		vunmap(map->vaddr);
	buf->vmaps--;
}
