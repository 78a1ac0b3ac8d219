/*
 * Preloaded into QEMU 7.2 (Debian's binary), so that x-colo works under TCG. It works round three faults there:
 *
 * 1. The thread that makes checkpoints sends the RAM without the big lock. Under TCG the end of a dirty log's
 *    synchronisation runs something on the vCPU's thread and waits for it on a condition variable, with the big lock as
 *    its mutex: that wait takes the lock, the thread keeps it for ever, and locks up when it wants it next. Here, who
 *    waits on a condition without owning its mutex locks that before and unlocks it after. Such a caller has looked at
 *    its flag without the lock, so the wake-up may have come already: the wait is short, and the caller looks again.
 *    Nor had it the lock when it woke the vCPU, which may just have been about to sleep, and sleeps on: the vCPU is
 *    woken anew each time.
 * 2. When the primary reads and clears which pages are dirty, the vCPU's TLB goes on taking those that were for dirty:
 *    what it writes there after a checkpoint isn't noticed, nor sent with the next, and the secondary's RAM is torn.
 *    Here the TLB is flushed when the primary's checkpoint thread sends without the big lock, which it does in each
 *    checkpoint while the vCPU stands still, after the bits were cleared.
 * 3. The secondary copies the checkpoint's pages over the guest's RAM and goes on running what it had translated before.
 *    Here the translations are thrown away when its COLO thread sends without the big lock: it does so (to say that it
 *    has received all) before it copies.
 *
 * Out of this shim's reach: the second fault in the live phase of the migration. The vCPU must stand still ("stop")
 * before "migrate".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SHORT_NS 1000000
#define SECOND_NS 1000000000

static int (*wait_on)(pthread_cond_t *, pthread_mutex_t *);
static ssize_t (*send_message)(int, const struct msghdr *, int);

/* QEMU's own, which its binary exports; missing in all other programs that this may be loaded into */
static bool (*has_big_lock)(void), (*is_primary)(void), (*is_secondary)(void);
static void *(*vcpu)(int);
static void (*flush_tlb)(void *), (*flush_translations)(void *), (*wake)(void *);

__attribute__((constructor)) static void find_all(void)
{
	wait_on = dlvsym(RTLD_NEXT, "pthread_cond_wait", "GLIBC_2.3.2");
	send_message = dlsym(RTLD_NEXT, "sendmsg");
	is_primary = dlsym(RTLD_DEFAULT, "migration_in_colo_state");
	is_secondary = dlsym(RTLD_DEFAULT, "migration_incoming_in_colo_state");
	vcpu = dlsym(RTLD_DEFAULT, "qemu_get_cpu");
	flush_tlb = dlsym(RTLD_DEFAULT, "tlb_flush");
	flush_translations = dlsym(RTLD_DEFAULT, "tb_flush");
	wake = dlsym(RTLD_DEFAULT, "qemu_cpu_kick");
	has_big_lock = dlsym(RTLD_DEFAULT, "qemu_mutex_iothread_locked");
	if (!is_primary || !is_secondary || !vcpu || !flush_tlb || !flush_translations || !wake)
		has_big_lock = NULL;
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags)
{
	void *cpu;

	if (has_big_lock && !has_big_lock()) {
		/* done later by the vCPU's own thread, before it runs the guest again */
		for (int number = 0; is_primary() && (cpu = vcpu(number)); number++)
			flush_tlb(cpu);
		if (is_secondary() && (cpu = vcpu(0)))
			flush_translations(cpu);
	}
	return send_message(socket, message, flags);
}

static bool is_mine(const pthread_mutex_t *mutex)
{
	static __thread pid_t thread;

	if (!thread)
		thread = syscall(SYS_gettid);
	return mutex->__data.__owner == thread;
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	struct timespec until;
	void *cpu;

	if (!wait_on)
		find_all();
	if (is_mine(mutex))
		return wait_on(condition, mutex);
	pthread_mutex_lock(mutex);
	for (int number = 0; has_big_lock && (cpu = vcpu(number)); number++)
		wake(cpu);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += SHORT_NS;
	if (until.tv_nsec >= SECOND_NS) {
		until.tv_nsec -= SECOND_NS;
		until.tv_sec++;
	}
	pthread_cond_timedwait(condition, mutex, &until);
	pthread_mutex_unlock(mutex);
	return 0;
}
