/** Words that `wordSets` makes token sets of: names, words with a good or a bad ring, colours, countries. */

const list = (words: string): readonly string[] => words.trim().split(/\s+/)

/** Ready lists for `wordSets(model, wordLists)`; names that both boys and girls often have are in neither list. */
export const wordLists = {
  boys_names: list(`
    Adam Adrian Albert Andrew Anthony Arthur Ben Benjamin Brian Carl Charles Christopher Colin Daniel David Dennis
    Donald Douglas Edward Eric Ethan Francis Frank Fred Gary George Graham Gregory Harold Harry Henry Hugh Ian Isaac
    Jack Jacob James Jason Jeremy John Jonathan Joseph Joshua Justin Keith Kenneth Kevin Lawrence Leo Liam Logan Louis
    Lucas Luke Mark Martin Mason Matthew Max Michael Nathan Neil Nicholas Noah Oliver Oscar Patrick Paul Peter Philip
    Ralph Raymond Richard Robert Roger Ronald Roy Russell Ryan Scott Sean Simon Stephen Steven Stuart Theodore Thomas
    Timothy Tom Victor Vincent Walter William Zachary`),
  girls_names: list(`
    Abigail Alice Amanda Amelia Amy Andrea Angela Anna Anne Barbara Beatrice Betty Caroline Carol Catherine Charlotte
    Chloe Christina Clara Claire Cora Cynthia Daisy Deborah Diana Donna Dorothy Eleanor Elizabeth Ella Ellen Emily Emma
    Esther Eva Evelyn Fiona Florence Frances Grace Hannah Harriet Heather Helen Holly Irene Isabella Jane Janet
    Jennifer Jessica Joan Julia Karen Kate Katherine Laura Lauren Lily Linda Lisa Lucy Margaret Maria Martha Mary
    Megan Melissa Mia Michelle Molly Nancy Natalie Nicole Nora Olivia Pamela Patricia Penelope Rachel Rebecca Rose Ruth
    Sandra Sarah Sharon Sophia Stella Stephanie Susan Teresa Tina Ursula Vera Victoria Violet Virginia Wendy Zoe`),
  positive_words: list(`
    admirable amazing beautiful best better brave bright brilliant calm charming cheerful clever comfortable delicious
    delightful easy elegant excellent excited fair famous fantastic fine fresh friendly fun funny generous gentle glad
    good gorgeous graceful grateful great happy healthy helpful honest hope joy kind laugh love lovely lucky nice
    peaceful perfect pleasant pleased polite pretty proud safe smart smile strong success sweet thankful useful warm
    welcome win wise wonderful`),
  negative_words: list(`
    afraid alone angry annoying ashamed awful bad bitter bored boring broken cruel cry dangerous dark dead dirty
    disappointed disgusting evil fail failure fear foolish frightened greedy guilty harm hate horrible hurt ill jealous
    lazy lonely lose lost mad mean messy miserable nasty nervous pain painful poor rotten rude sad scared selfish sick
    silly sorry stupid terrible tired ugly unhappy upset useless weak wicked worried worse worst wrong`),
  colours: list(`
    amber black blue brown cream crimson gold golden gray green grey indigo ivory lilac magenta maroon navy orange
    pink purple red scarlet silver tan teal turquoise violet white yellow`),
  countries: list(`
    Argentina Australia Austria Belgium Brazil Canada Chile China Colombia Cuba Denmark Egypt England Ethiopia Finland
    France Germany Ghana Greece Hungary Iceland India Indonesia Iran Iraq Ireland Israel Italy Japan Jordan Kenya
    Korea Lebanon Malaysia Mexico Morocco Nepal Netherlands Nigeria Norway Pakistan Peru Philippines Poland Portugal
    Romania Russia Scotland Singapore Spain Sudan Sweden Switzerland Syria Thailand Turkey Uganda Ukraine Venezuela
    Vietnam Wales`),
} as const satisfies Readonly<Record<string, readonly string[]>>
