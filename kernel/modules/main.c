// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exports dma-bufs that are hard on importers: their memory moves while it is
 * used, mapping it can be refused or take long, or it is a PCI device's. See
 * README.md; internal.h says what is where.
 *
 * Here are the device and its ioctls.
 */
#include <linux/dma-buf.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "dmabuf_test.h"
#include "internal.h"

/* Hand a descriptor to the user, with the rest of the answer. */
static int install(struct dma_buf *dmabuf, void __user *user, void *answer, size_t len,
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
	return install(dmabuf, user, &arg, sizeof(arg), &arg.fd, &arg.id);
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
	return install(dmabuf, user, &arg, sizeof(arg), &arg.fd, &arg.id);
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
	int ret = movers_init();

	if (ret)
		return ret;
	knobs_init();
	ret = misc_register(&device);
	if (ret) {
		knobs_exit();
		movers_exit();
	}
	return ret;
}

static void __exit dmabuf_test_exit(void)
{
	misc_deregister(&device);
	knobs_exit();
	movers_exit();
	fences_exit();
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
