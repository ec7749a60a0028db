# Functionals of regressions by R: car::deltaMethod, car::linearHypothesis, and the
# intervals of calibration that investr::invest gives (Greenwell & Schubert Kabban 2014,
# R Journal 6, equations 4 and 6), written out, for investr is not needed then.
#
#   Rscript reference.R
#
# writes reference_data.csv and reference.csv, which test_reference.py reads. Three
# regressions that are networks: mpg ~ wt + hp + am of mtcars and dist ~ speed of cars,
# without a hidden layer; y ~ c + v tanh(w x + b), of one unit.
library(car)

found <- data.frame()
keep <- function(name, estimate, se = NA, low = NA, high = NA) {
  found <<- rbind(found, data.frame(name, estimate, se, low, high))
}
delta <- function(name, fit, g, level = 0.95) {
  one <- deltaMethod(fit, g)
  half <- qt((1 + level) / 2, df.residual(fit)) * one$SE
  keep(name, one$Estimate, one$SE, one$Estimate - half, one$Estimate + half)
}

# A linear regression of three columns, at two rows.
few <- data.frame(x1 = mtcars$wt, x2 = mtcars$hp / 100, x3 = mtcars$am, y = mtcars$mpg)
fit <- lm(y ~ x1 + x2 + x3, few)
names(fit$coefficients)[1] <- "b0"
at <- function(row) with(few[row, ], sprintf("(b0 + %.17g*x1 + %.17g*x2 + %.17g*x3)",
                                             x1, x2, x3))
delta("slope x1", fit, "x1")
delta("slope x2", fit, "x2")
delta("contrast x3", fit, "x3")
delta("mean of row 1", fit, at(1))
delta("row 2 - row 1", fit, paste(at(2), "-", at(1)))
delta("mean at x1 = 3", fit, sprintf("b0 + 3*x1 + %.17g*x2 + %.17g*x3",
                                     mean(few$x2), mean(few$x3)))
delta("row 1 / row 2", fit, paste(at(1), "/", at(2)))
delta("log of row 1", fit, sprintf("log(%s)", at(1)))
delta("elasticity by x1 at row 1", fit, sprintf("x1 * %.17g / %s", few$x1[1], at(1)))
delta("x1 that gives 20 at row 1", fit,
      sprintf("(20 - b0 - %.17g*x2 - %.17g*x3) / x1", few$x2[1], few$x3[1]))
joint <- linearHypothesis(lm(y ~ x1 + x2 + x3, few), c("x1 = -3", "x2 = x3"))
keep("F", joint$F[2], joint[["Pr(>F)"]][2])

# Calibration: the value x0 at which y is `y0`; see = 0 of the mean, 1 of one new y.
calibrated <- function(name, y0, see, mean, gradient, V, s, dof, low, high) {
  se <- function(x) sqrt(drop(gradient(x) %*% V %*% gradient(x)))
  root <- function(g, a, b) uniroot(g, c(a, b), tol = 1e-14, maxiter = 10000)$root
  x0 <- root(function(x) mean(x) - y0, low, high)
  t <- qt(0.975, dof)
  away <- function(x) (mean(x) - y0)^2 - t^2 * (see * s^2 + se(x)^2)
  keep(paste("inversion,", name), x0, NA, root(away, low, x0), root(away, x0, high))
  h <- 1e-5
  slope <- (8 * (mean(x0 + h) - mean(x0 - h)) - mean(x0 + 2*h) + mean(x0 - 2*h)) / (12*h)
  wald <- sqrt(see * s^2 + se(x0)^2) / abs(slope)
  keep(paste("Wald,", name), x0, wald, x0 - t * wald, x0 + t * wald)
}
line <- lm(dist ~ speed, cars)
for (see in 0:1)
  calibrated(c("line, mean", "line, new y")[see + 1], 40, see,
             function(x) sum(coef(line) * c(1, x)), function(x) c(1, x), vcov(line),
             sigma(line), df.residual(line), 5, 30)

# One unit of tanh.
set.seed(1)
x <- seq(-2, 2, length.out = 60)
unit <- data.frame(x, y = round(1 + 2 * tanh(1.2 * x + 0.3) + 0.15 * rnorm(60), 6))
model <- deriv(~ c + v * tanh(w * x + b), c("w", "v", "b", "c"), function(w, v, b, c, x) {})
curve <- nls(y ~ model(w, v, b, c, x), unit, list(w = 1.2, v = 2, b = 0.3, c = 1),
             control = nls.control(tol = 1e-9))
delta("unit, slope at 0.5", curve, "v * w / cosh(w * 0.5 + b)^2")
delta("unit, f(1) - f(-1)", curve, "v * (tanh(w + b) - tanh(b - w))")
delta("unit, f(1) / f(0)", curve, "(c + v * tanh(w + b)) / (c + v * tanh(b))")
delta("unit, average slope", curve,
      paste0("v * w * (", paste(sprintf("1 / cosh(w * %.17g + b)^2", x), collapse = "+"),
             ") / 60"))
theta <- as.list(coef(curve))
value <- function(x) do.call(model, c(theta, x = x))
for (see in 0:1)
  calibrated(c("unit, mean", "unit, new y")[see + 1], 1.5, see,
             function(x) as.numeric(value(x)), function(x) attr(value(x), "gradient")[1, ],
             vcov(curve), sigma(curve), df.residual(curve), -1, 1)

digits <- function(column) if (is.numeric(column)) sprintf("%.17g", column) else column
data <- rbind(cbind(set = "few", few),
              data.frame(set = "line", x1 = cars$speed, x2 = 0, x3 = 0, y = cars$dist),
              data.frame(set = "unit", x1 = x, x2 = 0, x3 = 0, y = unit$y))
write.csv(lapply(data, digits), "reference_data.csv", row.names = FALSE, quote = FALSE)
write.csv(lapply(found, digits), "reference.csv", row.names = FALSE)
cat(R.version.string, "car", format(packageVersion("car")), "\n")
