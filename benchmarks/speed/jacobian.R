# Time numDeriv::jacobian for a tanh network with one hidden layer; see jacobian.py.
#
#   Rscript jacobian.R DIRECTORY METHOD INPUTS UNITS
#
# DIRECTORY holds float64 files: theta (weights in C order, then intercepts) and X
# (row after row). Writes J, column after column; prints CPU seconds of the one call.
# Without arguments, prints versions.
library(numDeriv)

args <- commandArgs(trailingOnly = TRUE)
if (!length(args)) {
  cat("R ", format(getRversion()), ", numDeriv ", format(packageVersion("numDeriv")),
      ", BLAS of R ", basename(extSoftVersion()[["BLAS"]]), sep = "")
  quit()
}
d <- as.integer(args[3])
h <- as.integer(args[4])
doubles <- function(name) {
  path <- file.path(args[1], name)
  readBin(path, "double", file.size(path) / 8)
}

outputs <- function(theta, Xt) {
  W <- matrix(theta[1:(d * h)], h)  # C order of W is column order of W'
  v <- theta[d * h + 1:h]
  b <- theta[d * h + h + 1:h]
  as.vector(v %*% tanh(W %*% Xt + b)) + theta[d * h + 2 * h + 1]
}

theta <- doubles("theta")
Xt <- matrix(doubles("X"), d)
warm <- jacobian(outputs, theta, args[2], Xt = Xt[, 1:2])  # compiles the functions
seconds <- system.time(J <- jacobian(outputs, theta, args[2], Xt = Xt))
writeBin(as.vector(J), file.path(args[1], "J"))
cat(seconds[["user.self"]] + seconds[["sys.self"]])
