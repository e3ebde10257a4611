/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Plain structs as the input and answer of calls in other processes.
 *
 * A function from one struct to another,
 *
 *     struct rect { double width, height; };
 *     struct area { double value; };
 *     static int measure(const struct rect *in, struct area *out);
 *
 * becomes one that any executor runs by a line that names the members of both:
 *
 *     VIA_PLAIN_CALL(measure, (struct rect, width, height), (struct area, value))
 *
 * This defines
 *
 *     struct via_call measure_call(const struct rect *in);
 *     int measure_result(const struct via_outcome *outcome, struct area *out);
 *
 * of which the first makes the call, and the second copies the answer out of its outcome.
 *
 * A pointer means nothing in another process.  So a member that is one, or an array of them, does not
 * compile, nor does a list that leaves out a member or changes their order.  Three things the compiler cannot
 * tell.  What is inside a member that is a struct or union: list its members instead, as `a.b`.  A member
 * left out that fits where there would be padding without it, as a char before an int; a pointer fits only
 * in a struct aligned to more than a pointer.  And an array without a length at the end, which would be cut.
 *
 * The macro needs the GNU extensions that gcc and clang have, and C; functions of C++ can be written out with
 * via_bytes_out().
 */
#ifndef VIADUCT_PLAIN_H
#define VIADUCT_PLAIN_H

#include <string.h>

#include <viaduct/call.h>
#include <viaduct/error.h>
#include <viaduct/outcome.h>

/** The class that the compiler gives to pointers. */
#define VIA_PLAIN_POINTER_CLASS 5

/** 1 if an expression is a pointer, and no array. */
#define VIA_PLAIN_IS_POINTER(e)                                                                              \
    (__builtin_classify_type(e) == VIA_PLAIN_POINTER_CLASS &&                                                \
     __builtin_types_compatible_p(__typeof__(e), __typeof__(0 ? (e) : (e))))

/** The first element of an array; of anything else a char. */
#define VIA_PLAIN_ELEMENT(e)                                                                                 \
    (*__builtin_choose_expr(__builtin_classify_type(e) == VIA_PLAIN_POINTER_CLASS, (e), (char *)0))

/** A member of a type that nobody has made. */
#define VIA_PLAIN_MEMBER(type, member) (((type *)0)->member)

/** A member must be no pointer and no array of pointers, whatever its dimensions up to four. */
#define VIA_PLAIN_CHECK(type, member)                                                                        \
    _Static_assert(!VIA_PLAIN_IS_POINTER(VIA_PLAIN_MEMBER(type, member)),                                    \
                   "`" #member "` is a pointer, which means nothing in another process");                    \
    VIA_PLAIN_NO_POINTERS(VIA_PLAIN_ELEMENT(VIA_PLAIN_MEMBER(type, member)), #member)                        \
    VIA_PLAIN_NO_POINTERS(VIA_PLAIN_ELEMENT(VIA_PLAIN_ELEMENT(VIA_PLAIN_MEMBER(type, member))), #member)     \
    VIA_PLAIN_NO_POINTERS(                                                                                   \
        VIA_PLAIN_ELEMENT(VIA_PLAIN_ELEMENT(VIA_PLAIN_ELEMENT(VIA_PLAIN_MEMBER(type, member)))), #member)    \
    VIA_PLAIN_NO_POINTERS(VIA_PLAIN_ELEMENT(VIA_PLAIN_ELEMENT(                                               \
                              VIA_PLAIN_ELEMENT(VIA_PLAIN_ELEMENT(VIA_PLAIN_MEMBER(type, member))))),        \
                          #member)

/** An element of a member must be no pointer. */
#define VIA_PLAIN_NO_POINTERS(element, text)                                                                 \
    _Static_assert(!VIA_PLAIN_IS_POINTER(element),                                                           \
                   "`" text "` holds pointers, which mean nothing in another process");

/** Where a member ends. */
#define VIA_PLAIN_END(type, member)                                                                          \
    (__builtin_offsetof(type, member) + sizeof(VIA_PLAIN_MEMBER(type, member)))
/** Between `from` and `to` there is room for alignment, and for nothing more. */
#define VIA_PLAIN_GAP(type, from, to, text)                                                                  \
    _Static_assert((from) <= (to) && (to) - (from) < _Alignof(type), text);
/** The first member that is listed is the first that there is. */
#define VIA_PLAIN_FIRST(type, member, ...)                                                                   \
    VIA_PLAIN_GAP(type, 0, __builtin_offsetof(type, member),                                                 \
                  "a member of " #type " before `" #member "` is missing in the list")
/** Two members that are listed one after the other are neighbours. */
#define VIA_PLAIN_NEXT(type, member, next)                                                                   \
    VIA_PLAIN_CHECK(type, member)                                                                            \
    VIA_PLAIN_GAP(type, VIA_PLAIN_END(type, member), __builtin_offsetof(type, next),                         \
                  "a member of " #type " between `" #member "` and `" #next                                  \
                  "` is missing in the list, or these are not in the order of their declaration")

/** @cond */
#define VIA_PLAIN_1(t, a)                                                                                    \
    VIA_PLAIN_CHECK(t, a)                                                                                    \
    VIA_PLAIN_GAP(t, VIA_PLAIN_END(t, a), sizeof(t),                                                         \
                  "a member of " #t " after `" #a "` is missing in the list")
#define VIA_PLAIN_2(t, a, b)       VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_1(t, b)
#define VIA_PLAIN_3(t, a, b, ...)  VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_2(t, b, __VA_ARGS__)
#define VIA_PLAIN_4(t, a, b, ...)  VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_3(t, b, __VA_ARGS__)
#define VIA_PLAIN_5(t, a, b, ...)  VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_4(t, b, __VA_ARGS__)
#define VIA_PLAIN_6(t, a, b, ...)  VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_5(t, b, __VA_ARGS__)
#define VIA_PLAIN_7(t, a, b, ...)  VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_6(t, b, __VA_ARGS__)
#define VIA_PLAIN_8(t, a, b, ...)  VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_7(t, b, __VA_ARGS__)
#define VIA_PLAIN_9(t, a, b, ...)  VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_8(t, b, __VA_ARGS__)
#define VIA_PLAIN_10(t, a, b, ...) VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_9(t, b, __VA_ARGS__)
#define VIA_PLAIN_11(t, a, b, ...) VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_10(t, b, __VA_ARGS__)
#define VIA_PLAIN_12(t, a, b, ...) VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_11(t, b, __VA_ARGS__)
#define VIA_PLAIN_13(t, a, b, ...) VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_12(t, b, __VA_ARGS__)
#define VIA_PLAIN_14(t, a, b, ...) VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_13(t, b, __VA_ARGS__)
#define VIA_PLAIN_15(t, a, b, ...) VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_14(t, b, __VA_ARGS__)
#define VIA_PLAIN_16(t, a, b, ...) VIA_PLAIN_NEXT(t, a, b) VIA_PLAIN_15(t, b, __VA_ARGS__)
#define VIA_PLAIN_MANY(t, ...)                                                                               \
    _Static_assert(0, #t " has more than 16 members: put some of them into a struct");
#define VIA_PLAIN_PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, \
                       a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35, a36,  \
                       a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, n, ...)                   \
    VIA_PLAIN_##n
#define VIA_PLAIN_EACH(t, ...)                                                                               \
    VIA_PLAIN_PICK(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY,      \
                   MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, \
                   MANY, MANY, MANY, MANY, MANY, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)   \
    (t, __VA_ARGS__)
#define VIA_PLAIN_TYPE_(t, ...) t
#define VIA_PLAIN_TYPE(list)    VIA_PLAIN_TYPE_ list
/** @endcond */

/** `VIA_PLAIN_STRUCT(struct rect, width, height)`: checks at compile time that these are all members, at most
 * 16, in the order of their declaration, and that none is or holds a pointer. */
#define VIA_PLAIN_STRUCT(type, ...) VIA_PLAIN_FIRST(type, __VA_ARGS__, 0) VIA_PLAIN_EACH(type, __VA_ARGS__)

/** Makes a function over plain structs one that can run in another process: see the head of this file. */
#define VIA_PLAIN_CALL(fn, in_list, out_list)                                                                \
    VIA_PLAIN_STRUCT in_list VIA_PLAIN_STRUCT out_list static int fn##_bytes(                                \
        via_bytes_call *via_plain_call_, const void *via_plain_in_, size_t via_plain_bytes_)                 \
    {                                                                                                        \
        VIA_PLAIN_TYPE(in_list) via_plain_from_;                                                             \
        VIA_PLAIN_TYPE(out_list) via_plain_to_;                                                              \
        if (via_plain_bytes_ != sizeof via_plain_from_)                                                      \
            return VIA_EINVAL;                                                                               \
        memcpy(&via_plain_from_, via_plain_in_, sizeof via_plain_from_);                                     \
        memset(&via_plain_to_, 0, sizeof via_plain_to_);                                                     \
        int via_plain_status_ = fn(&via_plain_from_, &via_plain_to_);                                        \
        void *via_plain_out_ =                                                                               \
            via_plain_status_ == 0 ? via_bytes_out(via_plain_call_, sizeof via_plain_to_) : NULL;            \
        if (via_plain_out_)                                                                                  \
            memcpy(via_plain_out_, &via_plain_to_, sizeof via_plain_to_);                                    \
        return via_plain_status_ == 0 && !via_plain_out_ ? VIA_ENOMEM : via_plain_status_;                   \
    }                                                                                                        \
    static inline struct via_call fn##_call(const VIA_PLAIN_TYPE(in_list) * via_plain_in_)                   \
    {                                                                                                        \
        return via_call_bytes(fn##_bytes, via_plain_in_, sizeof *via_plain_in_);                             \
    }                                                                                                        \
    static inline int fn##_result(const struct via_outcome *via_plain_outcome_,                              \
                                  VIA_PLAIN_TYPE(out_list) * via_plain_out_)                                 \
    {                                                                                                        \
        if (via_plain_outcome_->status != 0)                                                                 \
            return via_plain_outcome_->status;                                                               \
        if (!via_plain_outcome_->value || via_plain_outcome_->bytes != sizeof *via_plain_out_)               \
            return VIA_EINVAL;                                                                               \
        memcpy(via_plain_out_, via_plain_outcome_->value, sizeof *via_plain_out_);                           \
        return 0;                                                                                            \
    }

#endif
