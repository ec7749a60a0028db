# Time numDeriv::jacobian for a tanh network; called by jacobian.py.
#
#   Rscript jacobian.R DIRECTORY METHOD UNITS...
#
# DIRECTORY holds float64 files: theta (weights, C order, then intercepts) and X
# (row after row). Writes J, column after column; prints CPU seconds of the one call.
# Without arguments, prints versions.
library(numDeriv)

args <- commandArgs(trailingOnly = TRUE)
if (!length(args)) {
  cat("R ", format(getRversion()), ", numDeriv ", format(packageVersion("numDeriv")),
      ", BLAS of R ", basename(extSoftVersion()[["BLAS"]]), sep = "")
  quit()
}
units <- as.integer(args[-(1:2)])
doubles <- function(name) {
  path <- file.path(args[1], name)
  readBin(path, "double", file.size(path) / 8)
}

network <- function(theta, A) {
  weight <- 0
  bias <- sum(head(units, -1) * units[-1])
  for (l in seq_along(units)[-1]) {
    size <- units[l] * units[l - 1]
    W <- matrix(theta[weight + seq_len(size)], units[l])  # C order: the transpose
    A <- W %*% A + theta[bias + seq_len(units[l])]
    if (l < length(units)) A <- tanh(A)
    weight <- weight + size
    bias <- bias + units[l]
  }
  A[1, ]
}

theta <- doubles("theta")
A <- matrix(doubles("X"), units[1])
warm <- jacobian(network, theta, args[2], A = A[, 1:2])  # compiles the functions
seconds <- system.time(J <- jacobian(network, theta, args[2], A = A))
writeBin(as.vector(J), file.path(args[1], "J"))
cat(seconds[["user.self"]] + seconds[["sys.self"]])
