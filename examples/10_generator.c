/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Generators: functions that give one value after the other and keep their place meanwhile.  One walks a
 * tree, recursively as trees are walked; another takes pairs out of two such walks; nobody keeps a state
 * machine.
 */
#include <stdio.h>
#include <viaduct.h>

struct node {
    int key;
    struct node *left, *right;
};

/* Yields the keys in order.  It yields from within the recursion, however deep that is. */
static int walk(const struct node *node)
{
    if (node == NULL)
        return 0;
    int rc = walk(node->left);
    if (rc == 0)
        rc = via_coro_yield((void *)&node->key, NULL);
    return rc < 0 ? rc : walk(node->right);
}

static int walk_tree(void *tree, void **result)
{
    (void)result;
    int rc = walk(tree);
    if (rc < 0)
        printf("  (the walk was ended early: %s)\n", via_status_text(rc));
    return rc;
}

static via_coro *walk_new(struct node *tree)
{
    via_coro *coro;
    const struct via_coro_options options = {.name = "walk"};
    return via_coro_new(walk_tree, tree, &options, &coro) == 0 ? coro : NULL;
}

/* Two trees hold the same keys if their walks agree, whatever their shapes. */
static int same_keys(struct node *a, struct node *b)
{
    via_coro *walk_a = walk_new(a), *walk_b = walk_new(b);
    void *key_a, *key_b;
    int more_a, more_b, same;
    do {
        more_a = via_coro_next(walk_a, &key_a);
        more_b = via_coro_next(walk_b, &key_b);
        same = more_a == more_b && (more_a != 1 || *(int *)key_a == *(int *)key_b);
    } while (same && more_a == 1);
    via_coro_free(walk_a);
    via_coro_free(walk_b);
    return same;
}

/* What is sent comes out of the yield: a running mean. */
static int mean(void *arg, void **result)
{
    double sum = 0, mean_so_far = 0;
    void *sent;
    (void)arg;
    (void)result;
    for (int count = 1; via_coro_yield(&mean_so_far, &sent) == 0; count++) {
        sum += *(double *)sent;
        mean_so_far = sum / count;
    }
    return 0;
}

/* One after the other, as if they were one. */
static int both(void *arg, void **result)
{
    struct node **trees = arg;
    int rc = 0;
    (void)result;
    for (int i = 0; i < 2 && rc == 0; i++) {
        via_coro *inner = walk_new(trees[i]);
        rc = via_coro_yield_from(inner, NULL);
        via_coro_free(inner);
    }
    return rc;
}

static void print_some(via_coro *coro, int most)
{
    void *key;
    while (most-- > 0 && via_coro_next(coro, &key) == 1)
        printf(" %d", *(int *)key);
    putchar('\n');
}

int main(void)
{
    struct node one = {1, NULL, NULL}, three = {3, NULL, NULL}, two = {2, &one, &three};
    struct node c = {3, NULL, NULL}, b = {2, NULL, &c}, a = {1, NULL, &b}, other = {7, NULL, NULL};
    struct node *trees[] = {&two, &other};
    double numbers[] = {4, 8, 6};
    via_coro *coro;
    void *value;

    printf("same keys: %s, %s\n", same_keys(&two, &a) ? "yes" : "no", same_keys(&two, &b) ? "yes" : "no");

    if (via_coro_new(mean, NULL, NULL, &coro) < 0 || via_coro_next(coro, NULL) != 1)
        return 1;
    for (int i = 0; i < 3; i++)
        if (via_coro_send(coro, &numbers[i], &value) == 1)
            printf("mean after %g: %g\n", numbers[i], *(double *)value);
    via_coro_free(coro);

    if (via_coro_new(both, trees, NULL, &coro) < 0)
        return 1;
    printf("both:");
    print_some(coro, 100);
    via_coro_free(coro);

    coro = walk_new(&two);
    printf("the first two:");
    print_some(coro, 2);
    via_coro_free(coro); /* has the walk return, so that it could clean up */
    return 0;
}
