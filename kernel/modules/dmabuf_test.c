// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exports dma-bufs that are hard on importers: their memory moves while it is
 * used, mapping it can be refused or take long, or it is a PCI device's. See
 * README.md.
 *
 * The reservation lock of a dma-buf protects all that changes in its buffer.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/idr.h>
#include <linux/io.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "dmabuf_test.h"

/* What memory that is no longer the buffer's is filled with. */
#define POISON	0x5a

#ifndef HAVE_DMA_BUF_INVALIDATE_MAPPINGS
#define dma_buf_invalidate_mappings	dma_buf_move_notify
#endif

static bool any_distance;
module_param(any_distance, bool, 0600);
MODULE_PARM_DESC(any_distance, "let devices attach to a BAR that seems out of their reach");

static struct dentry *debugfs_root;
static struct workqueue_struct *movers;
static DEFINE_IDA(ids);

/*
 * The memory of a buffer between two moves. Once the buffer has moved on and
 * nothing maps it any more, it is poisoned, and kept for some time to see
 * whether anybody still writes to it.
 */
struct generation {
	struct list_head node;
	unsigned int users;	/* the buffer while it is here, mappings, the vmap */
	pgoff_t nr_pages;
	struct page *pages[];
};

struct buffer {
	struct dma_buf *dmabuf;
	int id;
	struct dentry *dir;
	struct list_head mappings;
	unsigned int pins;
	unsigned int vmaps;
	struct delayed_work mover;

	/* pages */
	unsigned int order;
	struct generation *gen;
	struct list_head retired;

	/* a BAR */
	struct pci_dev *pdev;
	phys_addr_t phys;
	dma_addr_t bus;
	bool map_bus;

	/* set by the user */
	u32 move_every_ms;
	u32 move_delay_ms;
	u32 map_delay_ms;
	u32 refuse_attach;
	u32 refuse_map;

	/* counted */
	u32 attached;
	u32 mapped;
	unsigned long maps;
	unsigned long unmaps;
	unsigned long moves;
	unsigned long stale;
};

struct mapping {
	struct list_head node;
	struct sg_table sgt;
	struct device *dev;
	enum dma_data_direction dir;
	struct generation *gen;
};

/* Generations ------------------------------------------------------------- */

static void generation_free(struct generation *gen)
{
	pgoff_t i;

	for (i = 0; i < gen->nr_pages; i++)
		__free_page(gen->pages[i]);
	kvfree(gen);
}

/* An importer must not rely on the order in which the allocator returns pages. */
static void generation_shuffle(struct generation *gen, unsigned int order)
{
	pgoff_t i, j, k;

	for (i = gen->nr_pages >> order; i > 1; i--) {
		j = get_random_u32_below(i);
		for (k = 0; k < 1UL << order; k++)
			swap(gen->pages[((i - 1) << order) + k], gen->pages[(j << order) + k]);
	}
}

static struct generation *generation_alloc(size_t size, unsigned int order)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN;
	pgoff_t nr_pages = size >> PAGE_SHIFT, i;
	struct generation *gen;
	struct page *page;

	gen = kvzalloc(struct_size(gen, pages, nr_pages), GFP_KERNEL);
	if (!gen)
		return NULL;
	gen->users = 1;
	while (gen->nr_pages < nr_pages) {
		page = alloc_pages(gfp, order);
		if (!page) {
			generation_free(gen);
			return NULL;
		}
		split_page(page, order);
		for (i = 0; i < 1UL << order; i++)
			gen->pages[gen->nr_pages++] = page + i;
	}
	generation_shuffle(gen, order);
	return gen;
}

static void generation_copy(struct generation *to, const struct generation *from)
{
	pgoff_t i;

	for (i = 0; i < to->nr_pages; i++) {
		copy_highpage(to->pages[i], from->pages[i]);
		cond_resched();
	}
}

static void generation_put(struct buffer *buf, struct generation *gen)
{
	pgoff_t i;

	if (--gen->users)
		return;
	for (i = 0; i < gen->nr_pages; i++) {
		void *page = kmap_local_page(gen->pages[i]);

		memset(page, POISON, PAGE_SIZE);
		kunmap_local(page);
		cond_resched();
	}
	list_add_tail(&gen->node, &buf->retired);
}

/* Free what was retired, and tell whether it was left in peace. */
static void check_retired(struct buffer *buf)
{
	struct generation *gen, *next;
	unsigned long stale = 0;
	pgoff_t i;

	list_for_each_entry_safe(gen, next, &buf->retired, node) {
		for (i = 0; i < gen->nr_pages; i++) {
			void *page = kmap_local_page(gen->pages[i]);

			stale += !!memchr_inv(page, POISON, PAGE_SIZE);
			kunmap_local(page);
			cond_resched();
		}
		list_del(&gen->node);
		generation_free(gen);
	}
	buf->stale += stale;
	WARN(stale, "dmabuf_test: buffer %d: %lu pages were written to after they were unmapped\n",
	     buf->id, stale);
}

/* Moving ------------------------------------------------------------------ */

/*
 * Take the memory away from all who use it, give them other memory with the
 * same content. A BAR stays where it is; its users have to map it anew.
 */
static int buffer_move(struct buffer *buf)
{
	struct dma_buf *dmabuf = buf->dmabuf;
	struct generation *next = NULL;
	struct file *file;
	int ret;

	/* The timer and debugfs can be here when the last reference goes. */
	file = get_file_active(&dmabuf->file);
	if (!file)
		return -ENOENT;
	if (!buf->pdev) {
		ret = -ENOMEM;
		next = generation_alloc(dmabuf->size, buf->order);
		if (!next)
			goto put_file;
	}
	ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
	if (ret)
		goto free_next;
	ret = -EBUSY;
	if (buf->pins || buf->vmaps)
		goto unlock;

	dma_buf_invalidate_mappings(dmabuf);
	/* Some importers are done only when their fences have signalled. */
	dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP, false, MAX_SCHEDULE_TIMEOUT);
	unmap_mapping_range(file->f_mapping, 0, 0, 1);

	check_retired(buf);
	if (next) {
		generation_copy(next, buf->gen);
		swap(next, buf->gen);
		generation_put(buf, next);
		next = NULL;
	}
	if (buf->move_delay_ms)
		msleep(buf->move_delay_ms);
	buf->moves++;
	ret = 0;
unlock:
	dma_resv_unlock(dmabuf->resv);
free_next:
	if (next)
		generation_free(next);
put_file:
	fput(file);
	return ret;
}

static void buffer_mover(struct work_struct *work)
{
	struct buffer *buf = container_of(work, struct buffer, mover.work);
	u32 ms;

	buffer_move(buf);
	ms = READ_ONCE(buf->move_every_ms);
	if (ms)
		queue_delayed_work(movers, &buf->mover, msecs_to_jiffies(ms));
}

/* The exporter's operations ----------------------------------------------- */

static int buffer_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct buffer *buf = dmabuf->priv;

	if (buf->refuse_attach)
		return -(int)buf->refuse_attach;
	if (buf->pdev && !attach->peer2peer)
		return -EOPNOTSUPP;
	if (buf->pdev && !any_distance && pci_p2pdma_distance(buf->pdev, attach->dev, true) < 0)
		return -EXDEV;
	dma_resv_lock(dmabuf->resv, NULL);
	buf->attached++;
	dma_resv_unlock(dmabuf->resv);
	return 0;
}

static void buffer_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct buffer *buf = dmabuf->priv;

	dma_resv_lock(dmabuf->resv, NULL);
	buf->attached--;
	dma_resv_unlock(dmabuf->resv);
}

static int buffer_pin(struct dma_buf_attachment *attach)
{
	struct buffer *buf = attach->dmabuf->priv;

	buf->pins++;
	return 0;
}

static void buffer_unpin(struct dma_buf_attachment *attach)
{
	struct buffer *buf = attach->dmabuf->priv;

	buf->pins--;
}

static int map_pages(struct buffer *buf, struct mapping *mapping)
{
	struct generation *gen = buf->gen;
	int ret;

	ret = sg_alloc_table_from_pages(&mapping->sgt, gen->pages, gen->nr_pages, 0,
					buf->dmabuf->size, GFP_KERNEL);
	if (ret)
		return ret;
	/* Only what is synchronised apart may be mapped by several devices at once. */
	ret = dma_map_sgtable(mapping->dev, &mapping->sgt, mapping->dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret) {
		sg_free_table(&mapping->sgt);
		return ret;
	}
	dma_sync_sgtable_for_device(mapping->dev, &mapping->sgt, mapping->dir);
	mapping->gen = gen;
	gen->users++;
	return 0;
}

static int map_bar(struct buffer *buf, struct mapping *mapping)
{
	size_t size = buf->dmabuf->size;
	dma_addr_t addr = buf->bus;
	int ret;

	ret = sg_alloc_table(&mapping->sgt, 1, GFP_KERNEL);
	if (ret)
		return ret;
	if (!buf->map_bus) {
		addr = dma_map_resource(mapping->dev, buf->phys, size, mapping->dir,
					DMA_ATTR_SKIP_CPU_SYNC);
		if (dma_mapping_error(mapping->dev, addr)) {
			sg_free_table(&mapping->sgt);
			return -EIO;
		}
	}
	/* There are no pages that an importer could look at. */
	sg_set_page(mapping->sgt.sgl, NULL, size, 0);
	sg_dma_address(mapping->sgt.sgl) = addr;
	sg_dma_len(mapping->sgt.sgl) = size;
	return 0;
}

static struct sg_table *buffer_map(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct buffer *buf = attach->dmabuf->priv;
	struct mapping *mapping;
	int ret;

	if (buf->map_delay_ms)
		msleep(buf->map_delay_ms);
	if (buf->refuse_map)
		return ERR_PTR(-(int)buf->refuse_map);

	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	mapping->dev = attach->dev;
	mapping->dir = dir;
	ret = buf->pdev ? map_bar(buf, mapping) : map_pages(buf, mapping);
	if (ret) {
		kfree(mapping);
		return ERR_PTR(ret);
	}
	list_add(&mapping->node, &buf->mappings);
	buf->maps++;
	buf->mapped++;
	return &mapping->sgt;
}

static void buffer_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			 enum dma_data_direction dir)
{
	struct mapping *mapping = container_of(sgt, struct mapping, sgt);
	struct buffer *buf = attach->dmabuf->priv;

	if (mapping->gen) {
		dma_sync_sgtable_for_cpu(attach->dev, sgt, dir);
		dma_unmap_sgtable(attach->dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	} else if (!buf->map_bus) {
		dma_unmap_resource(attach->dev, sg_dma_address(sgt->sgl), attach->dmabuf->size, dir,
				   DMA_ATTR_SKIP_CPU_SYNC);
	}
	sg_free_table(sgt);
	list_del(&mapping->node);
	if (mapping->gen)
		generation_put(buf, mapping->gen);
	kfree(mapping);
	buf->unmaps++;
	buf->mapped--;
}

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

static int buffer_begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return sync_mappings(dmabuf->priv, dir, true);
}

static int buffer_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return sync_mappings(dmabuf->priv, dir, false);
}

static vm_fault_t buffer_fault(struct vm_fault *vmf)
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

static const struct vm_operations_struct buffer_vm_ops = {
	.fault = buffer_fault,
};

/* Pages are found when they are touched, and forgotten when the buffer moves. */
static int buffer_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
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
	vma->vm_ops = &buffer_vm_ops;
	return 0;
}

/* The kernel's own mapping does not follow: the buffer stays while it is there. */
static int buffer_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
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

static void buffer_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct buffer *buf = dmabuf->priv;

	if (map->is_iomem)
		iounmap(map->vaddr_iomem);
	else
		vunmap(map->vaddr);
	buf->vmaps--;
}

static void buffer_free(struct buffer *buf)
{
	if (buf->gen) {
		generation_put(buf, buf->gen);
		check_retired(buf);
	}
	if (buf->pdev) {
		pci_disable_device(buf->pdev);
		pci_dev_put(buf->pdev);
	}
	ida_free(&ids, buf->id);
	kfree(buf);
}

static void buffer_release(struct dma_buf *dmabuf)
{
	struct buffer *buf = dmabuf->priv;

	debugfs_remove(buf->dir);
	WRITE_ONCE(buf->move_every_ms, 0);
	cancel_delayed_work_sync(&buf->mover);
	WARN_ON(!list_empty(&buf->mappings));
	buffer_free(buf);
}

static const struct dma_buf_ops buffer_ops = {
	.attach			= buffer_attach,
	.detach			= buffer_detach,
	.pin			= buffer_pin,
	.unpin			= buffer_unpin,
	.map_dma_buf		= buffer_map,
	.unmap_dma_buf		= buffer_unmap,
	.begin_cpu_access	= buffer_begin_cpu_access,
	.end_cpu_access		= buffer_end_cpu_access,
	.mmap			= buffer_mmap,
	.vmap			= buffer_vmap,
	.vunmap			= buffer_vunmap,
	.release		= buffer_release,
};

/* debugfs ----------------------------------------------------------------- */

static ssize_t move_write(struct file *file, const char __user *text, size_t len, loff_t *pos)
{
	int ret = buffer_move(file->private_data);

	return ret ?: len;
}

static const struct file_operations move_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= move_write,
};

static int move_every_get(void *data, u64 *ms)
{
	struct buffer *buf = data;

	*ms = READ_ONCE(buf->move_every_ms);
	return 0;
}

static int move_every_set(void *data, u64 ms)
{
	struct buffer *buf = data;

	if (ms > INT_MAX)
		return -EINVAL;
	WRITE_ONCE(buf->move_every_ms, ms);
	if (ms)
		mod_delayed_work(movers, &buf->mover, msecs_to_jiffies(ms));
	else
		cancel_delayed_work_sync(&buf->mover);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(move_every_fops, move_every_get, move_every_set, "%llu\n");

static int errno_get(void *data, u64 *number)
{
	*number = *(u32 *)data;
	return 0;
}

/* What user space may see; the others are the kernel's own. */
static int errno_set(void *data, u64 number)
{
	if (number >= 512)
		return -EINVAL;
	*(u32 *)data = number;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(errno_fops, errno_get, errno_set, "%llu\n");

static void buffer_debugfs(struct buffer *buf)
{
	struct dentry *dir;
	char name[12];

	snprintf(name, sizeof(name), "%d", buf->id);
	dir = debugfs_create_dir(name, debugfs_root);
	buf->dir = dir;
	debugfs_create_file("move", 0200, dir, buf, &move_fops);
	debugfs_create_file("move_every_ms", 0600, dir, buf, &move_every_fops);
	debugfs_create_u32("move_delay_ms", 0600, dir, &buf->move_delay_ms);
	debugfs_create_u32("map_delay_ms", 0600, dir, &buf->map_delay_ms);
	debugfs_create_file("refuse_attach", 0600, dir, &buf->refuse_attach, &errno_fops);
	debugfs_create_file("refuse_map", 0600, dir, &buf->refuse_map, &errno_fops);
	debugfs_create_u32("attached", 0400, dir, &buf->attached);
	debugfs_create_u32("mapped", 0400, dir, &buf->mapped);
	debugfs_create_ulong("maps", 0400, dir, &buf->maps);
	debugfs_create_ulong("unmaps", 0400, dir, &buf->unmaps);
	debugfs_create_ulong("moves", 0400, dir, &buf->moves);
	debugfs_create_ulong("stale", 0400, dir, &buf->stale);
}

/* The device -------------------------------------------------------------- */

static struct buffer *buffer_alloc(void)
{
	struct buffer *buf = kzalloc(sizeof(*buf), GFP_KERNEL);

	if (!buf)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&buf->mappings);
	INIT_LIST_HEAD(&buf->retired);
	INIT_DELAYED_WORK(&buf->mover, buffer_mover);
	buf->id = ida_alloc(&ids, GFP_KERNEL);
	if (buf->id < 0) {
		int ret = buf->id;

		kfree(buf);
		return ERR_PTR(ret);
	}
	return buf;
}

/* Export the buffer; whether or not it works, the buffer is the dma-buf's or gone. */
static struct dma_buf *buffer_export(struct buffer *buf, size_t size)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.ops = &buffer_ops;
	info.size = size;
	info.flags = O_RDWR;
	info.priv = buf;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		buffer_free(buf);
		return dmabuf;
	}
	buf->dmabuf = dmabuf;
	buffer_debugfs(buf);
	return dmabuf;
}

/* Hand a descriptor to the user, with the rest of the answer. */
static int buffer_install(struct dma_buf *dmabuf, void __user *user, void *answer, size_t len,
			  __s32 *fd, __u32 *id)
{
	struct buffer *buf = dmabuf->priv;

	*id = buf->id;
	*fd = get_unused_fd_flags(O_CLOEXEC);
	if (*fd < 0) {
		dma_buf_put(dmabuf);
		return *fd;
	}
	if (copy_to_user(user, answer, len)) {
		put_unused_fd(*fd);
		dma_buf_put(dmabuf);
		return -EFAULT;
	}
	fd_install(*fd, dmabuf->file);
	return 0;
}

static int export_pages(struct dmabuf_test_pages __user *user)
{
	struct dmabuf_test_pages arg;
	struct dma_buf *dmabuf;
	struct buffer *buf;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved || arg.order > MAX_PAGE_ORDER || arg.size > SZ_2G + PAGE_SIZE ||
	    !IS_ALIGNED(arg.size, PAGE_SIZE << arg.order))
		return -EINVAL;
	buf = buffer_alloc();
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	buf->order = arg.order;
	buf->gen = generation_alloc(arg.size, arg.order);
	if (!buf->gen) {
		buffer_free(buf);
		return -ENOMEM;
	}
	dmabuf = buffer_export(buf, arg.size);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	return buffer_install(dmabuf, user, &arg, sizeof(arg), &arg.fd, &arg.id);
}

/* The piece of the BAR that is asked for, if there is one. */
static int bar_find(struct buffer *buf, struct dmabuf_test_bar *arg)
{
	struct pci_dev *pdev;
	resource_size_t len;
	int ret = -EINVAL;

	pdev = pci_get_domain_bus_and_slot(arg->domain, arg->bus, arg->devfn);
	if (!pdev)
		return -ENODEV;
	len = pci_resource_len(pdev, arg->bar);
	if (!(pci_resource_flags(pdev, arg->bar) & IORESOURCE_MEM) || arg->offset >= len)
		goto put;
	if (!arg->size)
		arg->size = len - arg->offset;
	/* One DMA segment must hold it. */
	if (arg->size > len - arg->offset || arg->size > U32_MAX)
		goto put;
	ret = -EBUSY;
	if (pdev->dev.driver)
		goto put;
	ret = pci_enable_device_mem(pdev);
	if (ret)
		goto put;
	buf->pdev = pdev;
	buf->phys = pci_resource_start(pdev, arg->bar) + arg->offset;
	buf->bus = pci_bus_address(pdev, arg->bar) + arg->offset;
	buf->map_bus = arg->flags & DMABUF_TEST_BAR_BUS_ADDRESS;
	return 0;
put:
	pci_dev_put(pdev);
	return ret;
}

static int export_bar(struct dmabuf_test_bar __user *user)
{
	struct dmabuf_test_bar arg;
	struct dma_buf *dmabuf;
	struct buffer *buf;
	int ret;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved || arg.flags & ~DMABUF_TEST_BAR_BUS_ADDRESS ||
	    arg.bar >= PCI_STD_NUM_BARS || arg.bus > 0xff || arg.devfn > 0xff)
		return -EINVAL;
	buf = buffer_alloc();
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = bar_find(buf, &arg);
	if (ret) {
		buffer_free(buf);
		return ret;
	}
	dmabuf = buffer_export(buf, arg.size);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	return buffer_install(dmabuf, user, &arg, sizeof(arg), &arg.fd, &arg.id);
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case DMABUF_TEST_PAGES:
		return export_pages((void __user *)arg);
	case DMABUF_TEST_BAR:
		return export_bar((void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations device_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "dmabuf_test",
	.fops	= &device_fops,
	.mode	= 0600,
};

static int __init dmabuf_test_init(void)
{
	int ret;

	movers = alloc_workqueue("dmabuf_test", WQ_UNBOUND, 0);
	if (!movers)
		return -ENOMEM;
	debugfs_root = debugfs_create_dir("dmabuf_test", NULL);
	ret = misc_register(&device);
	if (ret) {
		debugfs_remove(debugfs_root);
		destroy_workqueue(movers);
	}
	return ret;
}

static void __exit dmabuf_test_exit(void)
{
	misc_deregister(&device);
	debugfs_remove(debugfs_root);
	destroy_workqueue(movers);
	ida_destroy(&ids);
}

module_init(dmabuf_test_init);
module_exit(dmabuf_test_exit);
MODULE_AUTHOR("fio-dmabuf developers");
MODULE_DESCRIPTION("dma-bufs that move, refuse, take long, or are a PCI device's memory");
MODULE_LICENSE("GPL");
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS("DMA_BUF");
#else
MODULE_IMPORT_NS(DMA_BUF);
#endif
