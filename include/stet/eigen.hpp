#pragma once
// Eigen's matrices and arrays in stet's functions. A matrix of R rows and C columns is stet's [R, C] however it lies in
// memory: Granularity::per_row() (axis 0) are its rows, per_column() (axis 1) its columns. Arguments may be matrices,
// arrays, maps, refs, blocks and expressions of either storage order, fixed or dynamic; what is contiguous is read in
// place. Results are matrices (or arrays) with the sizes and the order of the argument. No header of training includes Eigen.

#include <stet/eigen/product.hpp>
#include <stet/eigen/quantize.hpp>
#include <stet/eigen/tensor.hpp>
