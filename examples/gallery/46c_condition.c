/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A condition: giving a lock up until what it guards has changed.
 */
#include "gallery.h"

struct account {
    struct via_lock lock;
    struct via_condition changed;
    int balance;
};

struct withdrawal {
    struct account *account;
    const char *name;
    int amount;
};

static int withdraw(void *arg, void **result)
{
    const struct withdrawal *withdrawal = arg;
    struct account *account = withdrawal->account;
    (void)result;
    int rc = via_lock_acquire(&account->lock);
    if (rc < 0)
        return rc;
    while (rc == 0 && account->balance < withdrawal->amount)
        rc = via_condition_wait(&account->changed);
    if (rc == 0) {
        account->balance -= withdrawal->amount;
        say("%s takes %d, which leaves %d", withdrawal->name, withdrawal->amount, account->balance);
    }
    via_lock_release(&account->lock);
    return rc;
}

static int deposit(struct account *account, int amount)
{
    int rc = via_sleep(1 * VIA_S);
    if (rc == 0)
        rc = via_lock_acquire(&account->lock);
    if (rc < 0)
        return rc;
    account->balance += amount;
    say("somebody pays in %d", amount);
    via_condition_notify_all(&account->changed);
    via_lock_release(&account->lock);
    return 0;
}

static int main_task(void *arg, void **result)
{
    struct account account = {.balance = 0};
    struct withdrawal withdrawals[] = {{&account, "Anna", 80}, {&account, "Bert", 30}};
    (void)arg;
    (void)result;
    via_lock_init(NULL, &account.lock);
    via_condition_init(&account.lock, &account.changed);
    via_future *tasks[] = {via_create_task(withdraw, &withdrawals[0]),
                           via_create_task(withdraw, &withdrawals[1])};
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = deposit(&account, 40);
    int all = via_await_all(tasks, 2, VIA_GATHER_DRAIN, NULL);
    via_condition_fini(&account.changed);
    via_lock_fini(&account.lock);
    return rc < 0 ? rc : all;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
