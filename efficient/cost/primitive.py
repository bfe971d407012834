"""Primitives that contract nothing: the only ones that are free.

Whatever is not named here, has no price of its own and shows no program inside (a kernel, a library
call, a primitive of another package or of a later jax) is unpriced. So a new primitive makes a
count unknown, with its name, and never too small.
"""

from __future__ import annotations

_ELEMENTWISE = """
    abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e
    bitcast_convert_type cbrt ceil clamp clz complex conj convert_element_type cos cosh digamma div
    eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge gt igamma igamma_grad_a igammac imag
    integer_pow is_finite le le_to lgamma log log1p log2 logistic lt lt_to max min mul mulhi ne neg
    nextafter not one_minus_square or polygamma polynomial population_count pow real reciprocal
    reduce_precision regularized_incomplete_beta rem round rsqrt select_n shift_left
    shift_right_arithmetic shift_right_logical sign sin sinh sqrt square sub tan tanh xor zeta
"""

_REDUCTIONS = """
    argmax argmin cumlogsumexp cummax cummin cumprod cumsum reduce reduce_and reduce_max reduce_min
    reduce_or reduce_prod reduce_sum reduce_window reduce_window_max reduce_window_min
    reduce_window_sum reduce_xor select_and_gather_add select_and_scatter select_and_scatter_add
"""

_MOVES = """
    broadcast_in_dim broadcast_to concatenate copy dynamic_slice dynamic_update_slice empty empty2
    gather iota pad reshape rev scatter scatter-add scatter-max scatter-min scatter-mul scatter-sub
    slice split squeeze stack tile transpose unstack zeros_like
"""

_ORDERS = "approx_top_k lu_pivots_to_permutation sort top_k"

_RANDOM = """
    iota_2x32_shape philox2x32 philox4x32 random_bits random_clone random_fold_in random_gamma
    random_seed random_split random_unwrap random_wrap rng_bit_generator rng_uniform threefry2x32
    threefry4x32
"""

# Between devices.
_COLLECTIVES = """
    all_gather all_gather_done all_gather_invariant all_gather_reduced all_gather_reduced_start
    all_gather_start all_to_all all_to_all_done all_to_all_start axis_index pbroadcast
    pbroadcast_done pbroadcast_dynamic pbroadcast_start pmax pmin ppermute ppermute_done
    ppermute_start precv preduced psend psum psum_done psum_invariant psum_invariant_start
    psum_start pvary ragged_all_to_all reduce_scatter reduce_scatter_done reduce_scatter_start
    reduced_vary_cast reduced_vary_cast_p unreduced_pmax unreduced_pmin unreduced_psum
    unreduced_psum_start unreduced_reduce_scatter unreduced_reduce_scatter_start vary_unreduced_cast
    vary_unreduced_cast_p
"""

# Mutable arrays.
_REFERENCES = "accum_grad_in_ref addupdate empty_ref free_ref freeze get new_ref pin swap unpin"

# What only says something about a value or about the program.
_REMARKS = """
    after_all check create_token dce_sink debug_callback debug_print delay device_put dim_as_value
    dimension_size from_edtype inspect_sharding layout_constraint multiple_of name
    optimization_barrier platform_index relayout reshard shape_assertion sharding_constraint stage
    stop_gradient tie to_edtype unreachable with_memory_space_constraint xla_metadata_value
"""

ELEMENTWISE = frozenset(_ELEMENTWISE.split())
REDUCTIONS = frozenset(_REDUCTIONS.split())
FREE = (
    ELEMENTWISE
    | REDUCTIONS
    | {*_MOVES.split(), *_ORDERS.split(), *_RANDOM.split()}
    | {*_COLLECTIVES.split(), *_REFERENCES.split(), *_REMARKS.split()}
)
